/* SPDX-License-Identifier: MIT */
/*
 * guest-init/session.c - a session's life: EXEC, signals, time-out, exit
 *
 * Pid 1.  Requests come from the host, bounded in form here; the command is
 * whatever the guest's users run.
 */
#include "guest-init/session.h"

#include <errno.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/tlv.h"
#include "guest-init/pty.h"

#define KILL_MS 2000		/* from SIGTERM or SIGHUP to SIGKILL */
#define ARGS_MAX 1024		/* bytes of a command line kept for SESSIONS */
#define DISK_FULL_BYTES (1 * MIB)

struct exec_request {
	uint32_t flags, rows, cols, timeout_ms;
};

static int parse_request(struct exec_request *r, const struct frame *f,
			 struct buf *args, struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(f->data, f->len, &pos, &t)) > 0) {
		switch (t.tag) {
		case AGENT_T_ARG:
			tlv_put(args, t.tag, t.data, t.len);
			break;
		case AGENT_T_FLAGS:
			r->flags = tlv_u32(&t);
			break;
		case AGENT_T_ROWS:
			r->rows = tlv_u32(&t);
			break;
		case AGENT_T_COLS:
			r->cols = tlv_u32(&t);
			break;
		case AGENT_T_TIMEOUT:
			r->timeout_ms = tlv_u32(&t);
			break;
		default:
			break;	/* spawn.c's, or of a newer host */
		}
	}
	return rc < 0 ? err_set(err, ERR_PROTOCOL, "malformed request") : 0;
}

void session_signal(struct session *s, int sig)
{
	pid_t group = -1;

	if (!s->running)
		return;
	if (s->flags & AGENT_EXEC_TTY)
		group = pty_foreground(s->out.fd);
	if (group > 0)
		kill(-group, sig);
	/* before its setsid(2), the child is in no group of its own */
	else if (kill(-s->child.pid, sig) < 0)
		kill(s->child.pid, sig);
}

/* SIGHUP or SIGTERM to all of the foreground and to the main process. */
static void end_session(struct session *s, int sig)
{
	session_signal(s, sig);
	if (s->running && (s->flags & AGENT_EXEC_TTY))
		kill(s->child.pid, sig);
	loop_timer_cancel(&s->agent->loop, &s->timeout);
	loop_timer_set(&s->agent->loop, &s->killer, KILL_MS);
}

static void on_timeout(struct loop_timer *t)
{
	struct session *s = container_of(t, struct session, timeout);

	s->why |= AGENT_WHY_TIMEOUT;
	end_session(s, SIGTERM);
}

static void on_killer(struct loop_timer *t)
{
	struct session *s = container_of(t, struct session, killer);

	if (cgroup_kill(&s->agent->cgroup, s->id) < 0 && s->running)
		kill(-s->child.pid, SIGKILL);
	if (s->finished && !(s->flags & AGENT_EXEC_KEEP))
		session_forget(s);
}

static bool disk_is_full(void)
{
	struct statvfs v;

	return statvfs("/", &v) == 0 && v.f_blocks &&
	       (v.f_bavail * v.f_frsize < DISK_FULL_BYTES ||
		(v.f_files && v.f_ffree == 0));
}

static void on_ended(struct agent_child *child, int wstatus)
{
	struct session *s = container_of(child, struct session, child);
	struct cgroup_events now;

	s->running = false;
	s->wstatus = wstatus;
	s->agent->nr_running--;
	loop_timer_cancel(&s->agent->loop, &s->timeout);
	if (read(s->report, &s->failure, sizeof(s->failure)) !=
	    (ssize_t)sizeof(s->failure))
		s->failure.msg[0] = '\0';
	close(s->report);
	s->report = -1;
	s->why |= s->failure.why;
	cgroup_events(&s->agent->cgroup, &now);
	if (now.oom_kills != s->before.oom_kills)
		s->why |= AGENT_WHY_OOM;
	if (now.fork_fails != s->before.fork_fails)
		s->why |= AGENT_WHY_PIDS;
	if (disk_is_full())
		s->why |= AGENT_WHY_DISK_FULL;
	session_io_flow(s);
	session_io_drain(s);
}

void session_finish(struct session *s)
{
	if (s->finished)
		return;
	s->finished = true;
	session_io_close(s);
	cgroup_drop(&s->agent->cgroup, s->id);
	session_say_exit(s);
	/* what ignored SIGTERM or SIGHUP is still to be killed */
	if (!(s->flags & AGENT_EXEC_KEEP) && !s->killer.deadline)
		session_forget(s);
}

/* The connection takes more, or there is none to wait for any more. */
static void go_on(struct session *s)
{
	if (s->running)
		session_io_flow(s);
	else
		session_io_drain(s);
}

static void on_room(struct conn *c)
{
	go_on(c->owner);
}

static void on_gone(struct conn *c)
{
	struct session *s = c->owner;

	s->conn = NULL;
	if (c->reset)
		s->flags |= AGENT_EXEC_KEEP;
	if (s->running && !(s->flags & AGENT_EXEC_KEEP))
		end_session(s, SIGHUP);
	go_on(s);
}

static void on_frame(struct conn *c, const struct frame *f)
{
	struct session *s = c->owner;
	struct err err = ERR_INIT;
	uint32_t value = 0;

	memcpy(&value, f->data, MIN(f->len, sizeof(value)));
	switch (f->type) {
	case AGENT_STDIN:
		if (f->len <= s->window) {
			session_io_input(s, f->data, f->len);
			return;
		}
		err_set(&err, ERR_PROTOCOL, "input beyond the window");
		break;
	case AGENT_STDIN_EOF:
		session_io_eof(s);
		return;
	case AGENT_SIGNAL:
		if (f->len == sizeof(value) && value > 0 && value < _NSIG)
			session_signal(s, (int)value);
		return;
	case AGENT_WINSIZE:
		if (f->len == sizeof(value) && (s->flags & AGENT_EXEC_TTY) &&
		    s->out.fd >= 0)
			pty_resize(s->out.fd, value & 0xffff, value >> 16);
		return;
	default:
		err_set(&err, ERR_PROTOCOL, "unexpected frame %u", f->type);
	}
	on_gone(c);
	conn_fail(c, &err);
}

void session_connect(struct session *s, struct conn *c)
{
	static const struct conn_ops ops = { on_frame, on_room, on_gone };
	CLEANUP_BUF struct buf b = BUF_INIT;

	s->conn = c;
	conn_set_ops(c, &ops, s);
	tlv_put_u32(&b, AGENT_T_SESSION, s->id);
	tlv_put_u32(&b, AGENT_T_PID, (uint32_t)s->child.pid);
	tlv_put_u32(&b, AGENT_T_FLAGS, s->flags);
	conn_send(c, AGENT_STARTED, b.data, b.len);
}

static struct session *make(struct agent *a, const struct exec_request *r)
{
	struct session *s = calloc(1, sizeof(*s));
	struct session **at = &a->sessions;

	if (!s)
		return NULL;
	s->agent = a;
	s->id = ++a->last_session;
	s->flags = r->flags;
	s->report = -1;
	s->timeout.cb = on_timeout;
	s->killer.cb = on_killer;
	s->child.ended = on_ended;
	s->args.max = ARGS_MAX;
	backlog_init(&s->backlog, AGENT_KEPT_OUTPUT);
	while (*at)
		at = &(*at)->next;
	*at = s;
	return s;
}

static int start(struct session *s, const struct exec_request *r,
		 const struct frame *f, struct err *err)
{
	struct agent *a = s->agent;
	struct spawn p = { f->data, f->len, a->system->etc };
	pid_t pid;

	if (session_io_open(s, &p, r->rows, r->cols) < 0) {
		err_sys(err, errno, "cannot open the command's streams");
		session_io_started(s, &p);
		return -1;
	}
	p.cgroup = cgroup_make(&a->cgroup, s->id);
	cgroup_events(&a->cgroup, &s->before);
	pid = spawn_command(&p, &s->report, err);
	session_io_started(s, &p);
	if (p.cgroup >= 0)
		close(p.cgroup);
	if (pid < 0) {
		cgroup_drop(&a->cgroup, s->id);
		return -1;
	}
	s->running = true;
	a->nr_running++;
	agent_add_child(a, &s->child, pid);
	if (r->timeout_ms)
		loop_timer_set(&a->loop, &s->timeout, r->timeout_ms);
	return 0;
}

void session_exec(struct conn *c, const struct frame *f)
{
	struct agent *a = c->agent;
	struct exec_request r = { 0 };
	CLEANUP_BUF struct buf args = { .max = ARGS_MAX };
	struct err err = ERR_INIT;
	struct session *s;

	if (a->nr_running >= AGENT_SESSIONS_MAX)
		err_set(&err, ERR_LIMIT, "%d commands are running already",
			AGENT_SESSIONS_MAX);
	else
		parse_request(&r, f, &args, &err);
	if (err.code) {
		conn_fail(c, &err);
		return;
	}
	s = make(a, &r);
	if (!s) {
		err_sys(&err, ENOMEM, "cannot start a command");
		conn_fail(c, &err);
		return;
	}
	if (start(s, &r, f, &err) < 0) {
		conn_fail(c, &err);
		session_forget(s);
		return;
	}
	s->args = args;
	args = (struct buf)BUF_INIT;
	session_connect(s, c);
	session_io_grant(s);
	session_io_flow(s);
}
