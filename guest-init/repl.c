/* SPDX-License-Identifier: MIT */
/*
 * guest-init/repl.c - an interpreter's life: start, interrupt, end
 *
 * Pid 1.  The interpreter is the image's and runs the user's code; whatever it
 * does ends in its own end.
 */
#include "guest-init/repl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"
#include "guest-init/repl-parts.h"

extern const unsigned char repl_python[];
extern const size_t repl_python_len;

static const char *const python[] = {
	"python3", "-c", "import os,sys;exec(compile(os.fdopen(int(sys.argv[2]),"
	"'rb').read(),'<podflare>','exec'),{'__name__':'podflare'})", NULL
};

static const struct repl_lang langs[] = {
	{ "python", python, repl_python, &repl_python_len },
};

const struct repl_lang *repl_lang_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(langs); i++)
		if (strcmp(langs[i].name, name) == 0)
			return &langs[i];
	return NULL;
}

static void on_killer(struct loop_timer *t)
{
	repl_kill(container_of(t, struct repl, killer));
}

struct repl *repl_find(struct agent *a, const struct repl_lang *lang)
{
	struct repl *r;

	for (r = a->repls; r; r = r->next)
		if (r->lang == lang)
			return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->agent = a;
	r->lang = lang;
	r->report = r->control = -1;
	r->control_watch = (struct loop_watch){ -1, repl_on_control };
	r->out = (struct repl_pipe){ { -1, NULL }, r, -1, AGENT_STDOUT };
	r->errors = (struct repl_pipe){ { -1, NULL }, r, -1, AGENT_STDERR };
	r->killer.cb = on_killer;
	backlog_init(&r->backlog, AGENT_KEPT_OUTPUT);
	r->next = a->repls;
	a->repls = r;
	return r;
}

void repl_kill(struct repl *r)
{
	if (!r->running)
		return;
	r->dying = true;
	if (cgroup_kill(&r->agent->cgroup, r->id) < 0)
		kill(-r->child.pid, SIGKILL);
	kill(r->child.pid, SIGKILL);
}

void repl_interrupt(struct repl *r)
{
	if (!r->running)
		return;
	if (r->ready && r->control < 0)
		repl_kill(r);	/* nobody would ever say that it is done */
	else if (kill(-r->child.pid, SIGINT) < 0)
		kill(r->child.pid, SIGINT);
}

void repl_copied(struct agent *a)
{
	for (struct repl *r = a->repls; r; r = r->next) {
		r->copied = true;
		/* before it is ready, the signal would end it */
		if (r->running && r->ready)
			kill(r->child.pid, REPL_RESEED);
	}
}

static void on_ended(struct agent_child *child, int wstatus)
{
	struct repl *r = container_of(child, struct repl, child);
	struct spawn_failure failure;
	struct cgroup_events now;
	struct repl_call *c = repl_current(r);

	loop_timer_cancel(&r->agent->loop, &r->killer);
	if (read(r->report, &failure, sizeof(failure)) !=
	    (ssize_t)sizeof(failure))
		failure.msg[0] = '\0';
	close(r->report);
	r->report = -1;
	repl_io_drain(r);
	repl_io_close(r);
	cgroup_drop(&r->agent->cgroup, r->id);
	cgroup_events(&r->agent->cgroup, &now);
	if (c && now.oom_kills != r->before.oom_kills)
		c->why |= AGENT_WHY_OOM;
	if (c && now.fork_fails != r->before.fork_fails)
		c->why |= AGENT_WHY_PIDS;
	r->running = false;
	/* one that never was ready is not tried again for the same call */
	if (c || (!r->ready && r->calls && !r->restart))
		repl_call_done(r, wstatus, failure.msg[0] ? &failure : NULL);
	r->lost = (r->lost || r->ready) && !r->restart;
	r->ready = r->dying = r->restart = false;
	repl_go_on(r);
}

/* The driver's source, to be read from a descriptor. Return: it, or -1. */
static int source_fd(const struct repl_lang *lang)
{
	CLEANUP_FD int fd = memfd_create(lang->name, MFD_CLOEXEC);
	size_t len = *lang->source_len;

	if (fd < 0 || write(fd, lang->source, len) != (ssize_t)len ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return steal_fd(&fd);
}

/* The interpreter's command line, and user, folder and variables of the call
 * that needs it. */
static void make_request(struct buf *b, const struct repl_lang *lang,
			 const struct repl_call *c, const int extra[2])
{
	struct tlv t;
	size_t pos = 0;
	char number[16];

	for (const char *const *arg = lang->argv; *arg; arg++)
		tlv_put_str(b, AGENT_T_ARG, *arg);
	for (int i = 0; i < 2; i++) {
		snprintf(number, sizeof(number), "%d", extra[i]);
		tlv_put_str(b, AGENT_T_ARG, number);
	}
	while (tlv_next(c->request.data, c->request.len, &pos, &t) > 0)
		if (t.tag == AGENT_T_ENV || t.tag == AGENT_T_CWD ||
		    t.tag == AGENT_T_USER)
			tlv_put(b, t.tag, t.data, t.len);
}

static int launch(struct repl *r, struct spawn *p, const struct repl_call *c,
		  int control, struct err *err)
{
	CLEANUP_BUF struct buf request = { .max = 2 * FRAME_MAX };
	CLEANUP_FD int source = source_fd(r->lang);
	struct agent *a = r->agent;
	pid_t pid;

	if (source < 0)
		return err_sys(err, errno, "cannot hand over the driver");
	p->extra[0] = control;
	p->extra[1] = source;
	make_request(&request, r->lang, c, p->extra);
	p->request = request.data;
	p->request_len = request.len;
	r->id = ++a->last_session;
	p->cgroup = cgroup_make(&a->cgroup, r->id);
	cgroup_events(&a->cgroup, &r->before);
	pid = spawn_command(p, &r->report, err);
	if (p->cgroup >= 0)
		close(p->cgroup);
	if (pid < 0) {
		cgroup_drop(&a->cgroup, r->id);
		return -1;
	}
	r->child.ended = on_ended;
	agent_add_child(a, &r->child, pid);
	return 0;
}

int repl_start(struct repl *r, const struct repl_call *c, struct err *err)
{
	struct spawn p = { .etc = r->agent->system->etc, .nr_extra = 2 };
	int pair[2], rc = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, pair) < 0)
		return err_sys(err, errno, "cannot start an interpreter");
	r->control = pair[0];
	/* the other end blocks, and the driver's description is its own */
	if (fcntl(pair[1], F_SETFL, O_RDWR) < 0 || repl_io_open(r, &p) < 0)
		err_sys(err, errno, "cannot open the interpreter's streams");
	else
		rc = launch(r, &p, c, pair[1], err);
	close(pair[1]);
	for (int i = 0; i < 3; i++)
		if (p.fds[i] >= 0)
			close(p.fds[i]);
	if (rc < 0) {
		repl_io_close(r);
		return -1;
	}
	r->running = true;
	r->ready = r->told = false;
	r->number = 0;
	r->env.len = 0;
	repl_io_flow(r);
	repl_talk_flow(r);
	return 0;
}

void repl_free_all(struct agent *a)
{
	while (a->repls) {
		struct repl *r = a->repls;

		a->repls = r->next;
		repl_kill(r);
		repl_calls_free(r);
		loop_timer_cancel(&a->loop, &r->killer);
		repl_io_close(r);
		if (r->report >= 0)
			close(r->report);
		buf_free(&r->env);
		backlog_free(&r->backlog);
		free(r);
	}
}
