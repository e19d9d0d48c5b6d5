/* SPDX-License-Identifier: MIT */
/*
 * guest-init/session-list.c - the sessions that exist: ATTACH, SESSIONS, exit
 *
 * Pid 1.
 */
#include "guest-init/session.h"

#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/tlv.h"

static void put_status(const struct session *s, struct buf *b)
{
	if (WIFSIGNALED(s->wstatus)) {
		tlv_put_u32(b, AGENT_T_STATUS,
			    128 + (uint32_t)WTERMSIG(s->wstatus));
		tlv_put_u32(b, AGENT_T_SIGNALED, (uint32_t)WTERMSIG(s->wstatus));
	} else {
		tlv_put_u32(b, AGENT_T_STATUS, (uint32_t)WEXITSTATUS(s->wstatus));
	}
	if (s->why)
		tlv_put_u32(b, AGENT_T_WHY, s->why);
}

void session_say_exit(struct session *s)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct conn *c = s->conn;

	if (!c)
		return;
	s->conn = NULL;
	if (s->failure.msg[0] && !s->failure.why) {
		struct err err = { .code = s->failure.code,
				   .sys = s->failure.sys };

		memcpy(err.msg, s->failure.msg, sizeof(s->failure.msg));
		conn_fail(c, &err);
		return;
	}
	put_status(s, &b);
	if (s->failure.msg[0]) {
		tlv_put_u32(&b, AGENT_T_ERRNO, (uint32_t)s->failure.sys);
		tlv_put_str(&b, AGENT_T_MESSAGE, s->failure.msg);
	}
	conn_send(c, AGENT_EXIT, b.data, b.len);
	conn_finish(c);
}

void session_list(struct conn *c)
{
	CLEANUP_BUF struct buf b = { .max = FRAME_MAX };

	for (struct session *s = c->agent->sessions; s; s = s->next) {
		if (s->gone)
			continue;
		tlv_put_u32(&b, AGENT_T_SESSION, s->id);
		tlv_put_u32(&b, AGENT_T_PID, (uint32_t)s->child.pid);
		tlv_put_u32(&b, AGENT_T_FLAGS, s->flags);
		buf_append(&b, s->args.data, s->args.len);
		if (s->finished)
			put_status(s, &b);
	}
	conn_send(c, AGENT_OK, b.data, b.len);
	conn_finish(c);
}

static void replay_part(void *arg, uint8_t type, const void *data, size_t len)
{
	conn_send(arg, type, data, len);
}

static struct session *find(struct agent *a, uint32_t id)
{
	for (struct session *s = a->sessions; s; s = s->next)
		if (s->id == id && !s->gone)
			return s;
	return NULL;
}

/* Kept sessions are taken over, so that one that hangs on a lost client can be
 * had back; others belong to whoever started them. */
static int check(struct session *s, uint32_t id, struct err *err)
{
	if (!s)
		return err_set(err, ERR_NOT_FOUND, "no session %" PRIu32, id);
	if (s->conn && !(s->flags & AGENT_EXEC_KEEP))
		return err_set(err, ERR_BUSY, "session %" PRIu32
			       " has its client", id);
	return 0;
}

void session_attach(struct conn *c, const struct frame *f)
{
	uint32_t id = 0;
	struct err err = ERR_INIT;
	struct session *s;
	struct tlv t;
	size_t pos = 0;

	while (tlv_next(f->data, f->len, &pos, &t) > 0)
		if (t.tag == AGENT_T_SESSION)
			id = tlv_u32(&t);
	s = find(c->agent, id);
	if (check(s, id, &err) < 0) {
		conn_fail(c, &err);
		return;
	}
	if (s->conn) {
		err_set(&err, ERR_CANCELLED, "attached elsewhere");
		conn_fail(s->conn, &err);
	}
	session_connect(s, c);
	backlog_replay(&s->backlog, replay_part, c);
	if (s->finished) {
		session_say_exit(s);
		return;
	}
	session_io_grant(s);
	session_io_flow(s);
}

void session_forget(struct session *s)
{
	struct loop *l = &s->agent->loop;

	if (s->gone)
		return;
	s->gone = true;
	loop_timer_cancel(l, &s->timeout);
	loop_timer_cancel(l, &s->killer);
	session_io_close(s);
	if (s->report >= 0)
		close(s->report);
}

/* Ended ones are kept up to a bound, the oldest go first. */
static void bound_ended(struct agent *a)
{
	unsigned int ended = 0;

	for (struct session *s = a->sessions; s; s = s->next)
		ended += s->finished && !s->gone;
	for (struct session *s = a->sessions; s && ended > AGENT_ENDED_MAX;
	     s = s->next) {
		if (!s->finished || s->gone || s->conn)
			continue;
		session_forget(s);
		ended--;
	}
}

void session_sweep(struct agent *a)
{
	struct session **at = &a->sessions;

	bound_ended(a);
	while (*at) {
		struct session *s = *at;

		if (!s->gone) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		buf_free(&s->args);
		backlog_free(&s->backlog);
		free(s);
	}
}
