/* SPDX-License-Identifier: MIT */
/*
 * guest-init/agent.c - the agent: streams to operations, and who has died
 *
 * Pid 1, its one thread and event loop.  A stream's first frame says what it is
 * for; from then on its owner handles it.
 */
#include "guest-init/agent.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/agent.h"
#include "guest-init/conn.h"
#include "guest-init/freeze.h"
#include "guest-init/repl.h"
#include "guest-init/requests.h"
#include "guest-init/session.h"
#include "guest-init/sink.h"
#include "guest-init/transfer.h"

#define REAP_BATCH 256

static void on_request(struct conn *c, const struct frame *f)
{
	struct err err = ERR_INIT;

	conn_set_ops(c, NULL, NULL);
	/* HELLO brings entropy: until then, nothing may run that draws on it */
	if (!c->agent->greeted && f->type != AGENT_HELLO &&
	    f->type != AGENT_INFO && f->type != AGENT_POWEROFF) {
		err_set(&err, ERR_STATE, "the guest was not greeted yet");
		conn_fail(c, &err);
		return;
	}
	switch (f->type) {
	case AGENT_HELLO:
		request_hello(c, f);
		break;
	case AGENT_EXEC:
		session_exec(c, f);
		break;
	case AGENT_CODE:
		repl_code(c, f);
		break;
	case AGENT_ATTACH:
		session_attach(c, f);
		break;
	case AGENT_SESSIONS:
		session_list(c);
		break;
	case AGENT_PUT:
	case AGENT_GET:
	case AGENT_STAT:
	case AGENT_CHANGES:
	case AGENT_HASH:
	case AGENT_FETCH:
	case AGENT_APPLY:
		transfer_start(c, f);
		break;
	case AGENT_INFO:
		request_info(c);
		break;
	case AGENT_POWEROFF:
		request_poweroff(c);
		break;
	case AGENT_FREEZE:
		freeze_start(c);
		break;
	default:
		err_set(&err, ERR_PROTOCOL, "unknown request %u", f->type);
		conn_fail(c, &err);
	}
}

int agent_init(struct agent *a, const struct agent_system *system,
	       struct err *err)
{
	memset(a, 0, sizeof(*a));
	a->system = system;
	a->freezer.events.fd = -1;
	if (loop_init(&a->loop, err) < 0)
		return -1;
	cgroup_init(&a->cgroup, system->cgroup);
	return 0;
}

void agent_free(struct agent *a)
{
	freeze_free(a);
	for (struct conn *c = a->conns; c; c = c->next)
		conn_drop(c, false);
	for (struct session *s = a->sessions; s; s = s->next) {
		if (s->running && cgroup_kill(&a->cgroup, s->id) < 0)
			kill(-s->child.pid, SIGKILL);
		session_forget(s);
	}
	session_sweep(a);
	repl_free_all(a);
	conn_sweep(a);
	sink_free_all(a);
	cgroup_free(&a->cgroup);
	loop_free(&a->loop);
}

void agent_accept(struct agent *a, int fd)
{
	static const struct conn_ops ops = { .frame = on_request };

	conn_open(a, fd, &ops);
}

void agent_add_child(struct agent *a, struct agent_child *c, pid_t pid)
{
	c->pid = pid;
	c->next = a->children;
	a->children = c;
}

static void ended(struct agent *a, pid_t pid, int wstatus)
{
	for (struct agent_child **at = &a->children; *at; at = &(*at)->next) {
		struct agent_child *c = *at;

		if (c->pid != pid)
			continue;
		*at = c->next;
		c->ended(c, wstatus);
		return;
	}
	/* an orphan: nobody asked for its status */
}

void agent_reap(struct agent *a)
{
	int wstatus, n = 0;
	pid_t pid = 0;

	while (n < REAP_BATCH && (pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
		ended(a, pid, wstatus);
		n++;
	}
	/* a dying fork bomb must not keep us from all else */
	a->reap_again = pid > 0;
	if (n && a->cgroup.nr_stale)
		cgroup_sweep(&a->cgroup);
}

int agent_turn(struct agent *a)
{
	if (loop_once(&a->loop, a->reap_again ? 0 : -1) < 0)
		return -1;
	if (a->reap_again)
		agent_reap(a);
	session_sweep(a);
	conn_sweep(a);
	return 0;
}
