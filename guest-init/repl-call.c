/* SPDX-License-Identifier: MIT */
/*
 * guest-init/repl-call.c - calls of an interpreter: CODE, their turn, their end
 *
 * Pid 1.  Requests come from the host, bounded in form here; what runs is the
 * user's code.
 */
#include "guest-init/repl-parts.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/agent.h"
#include "common/tlv.h"

#define KILL_MS 2000	/* from SIGINT to SIGKILL, once it timed out */

static void call_free(struct repl_call *c)
{
	loop_timer_cancel(&c->agent->loop, &c->timeout);
	repl_input_close(c);
	c->agent->code_bytes -= c->code.len;
	buf_free(&c->request);
	buf_free(&c->code);
	free(c);
}

static void unlink_call(struct repl_call *c)
{
	struct repl_call **at = &c->repl->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->repl->nr_calls--;
}

struct repl_call *repl_current(const struct repl *r)
{
	return r->calls && r->calls->begun ? r->calls : NULL;
}

void repl_calls_free(struct repl *r)
{
	while (r->calls) {
		struct repl_call *c = r->calls;

		unlink_call(c);
		call_free(c);
	}
}

static void say_exit(struct repl_call *c, int wstatus,
		     const struct spawn_failure *failure)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint32_t sig = WIFSIGNALED(wstatus) ? (uint32_t)WTERMSIG(wstatus) : 0;

	tlv_put_u32(&b, AGENT_T_STATUS,
		    sig ? 128 + sig : (uint32_t)WEXITSTATUS(wstatus));
	if (sig)
		tlv_put_u32(&b, AGENT_T_SIGNALED, sig);
	if (c->why)
		tlv_put_u32(&b, AGENT_T_WHY, c->why);
	if (failure) {
		tlv_put_u32(&b, AGENT_T_ERRNO, (uint32_t)failure->sys);
		tlv_put_str(&b, AGENT_T_MESSAGE, failure->msg);
	}
	conn_send(c->conn, AGENT_EXIT, b.data, b.len);
	conn_finish(c->conn);
}

/* STARTED, once. */
static void say_started(struct repl_call *c)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct repl *r = c->repl;

	if (!c->conn)
		return;
	tlv_put_u32(&b, AGENT_T_PID, (uint32_t)r->child.pid);
	tlv_put_u32(&b, AGENT_T_FLAGS, c->flags);
	if (!r->told)
		tlv_put_u32(&b, AGENT_T_FRESH, r->lost ? 2 : 1);
	r->told = true;
	r->lost = false;
	conn_send(c->conn, AGENT_STARTED, b.data, b.len);
}

static void replay_part(void *arg, uint8_t type, const void *data, size_t len)
{
	conn_send(arg, type, data, len);
}

static void replay(struct repl_call *c)
{
	struct backlog *b = &c->repl->backlog;

	if (!c->conn || !b->len)
		return;
	backlog_replay(b, replay_part, c->conn);
	backlog_free(b);
}

void repl_call_done(struct repl *r, int wstatus,
		    const struct spawn_failure *failure)
{
	struct repl_call *c = r->calls;

	loop_timer_cancel(&r->agent->loop, &r->killer);
	if (!r->running)
		c->why |= failure ? failure->why : AGENT_WHY_LOST;
	if (c->conn && failure && !failure->why) {
		struct err err = { .code = failure->code, .sys = failure->sys };

		memcpy(err.msg, failure->msg, sizeof(failure->msg));
		conn_fail(c->conn, &err);
	} else if (c->conn) {
		if (!c->begun) {	/* it ended before it was ready */
			say_started(c);
			replay(c);
		}
		say_exit(c, wstatus, failure);
	}
	unlink_call(c);
	call_free(c);
}

/* It does not wait for its turn any more, or has not got one yet. */
static void give_up(struct repl_call *c)
{
	struct repl *r = c->repl;

	if (r)
		unlink_call(c);
	call_free(c);
	if (r)
		repl_go_on(r);
}

static void refuse(struct repl_call *c, const struct err *err)
{
	if (c->conn)
		conn_fail(c->conn, err);
	give_up(c);
}

static void interrupt(struct repl_call *c)
{
	c->ending = true;
	repl_interrupt(c->repl);
	repl_io_flow(c->repl);
}

static void begin(struct repl *r, struct repl_call *c)
{
	struct err err = ERR_INIT;

	if (repl_input_open(c) < 0 || repl_talk_begin(r, c) < 0) {
		err_sys(&err, ENOMEM, "cannot hand over the code");
		refuse(c, &err);
		return;
	}
	c->begun = true;
	cgroup_events(&r->agent->cgroup, &r->before);
	say_started(c);
	replay(c);
	if (c->flags & AGENT_EXEC_STDIN)
		repl_input_grant(c);
	repl_talk_flow(r);
	repl_io_flow(r);
}

void repl_go_on(struct repl *r)
{
	struct repl_call *c = r->calls;
	struct err err = ERR_INIT;

	if (!c || c->begun || r->dying)
		return;
	if (!r->running && repl_start(r, c, &err) < 0)
		refuse(c, &err);
	else if (r->ready)
		begin(r, c);
}

static void on_timeout(struct loop_timer *t)
{
	struct repl_call *c = container_of(t, struct repl_call, timeout);

	c->why |= AGENT_WHY_TIMEOUT;
	if (!c->begun && c != c->repl->calls) {
		say_started(c);
		say_exit(c, 124 << 8, NULL);
		give_up(c);
		return;
	}
	interrupt(c);
	loop_timer_set(&c->agent->loop, &c->repl->killer, KILL_MS);
}

static void on_gone(struct conn *conn)
{
	struct repl_call *c = conn->owner;

	c->conn = NULL;
	if (!c->begun) {
		give_up(c);
		return;
	}
	repl_input_eof(c);
	if (!conn->reset && !(c->flags & AGENT_EXEC_KEEP)) {
		c->dropped = true;
		interrupt(c);
	}
	repl_talk_flow(c->repl);
	repl_io_flow(c->repl);
}

static void on_room(struct conn *conn)
{
	struct repl_call *c = conn->owner;

	if (!c->begun)
		return;
	repl_talk_flow(c->repl);
	repl_io_flow(c->repl);
}

/* What asks a command to end asks code to stop: the state is kept. */
static void on_signal(struct repl_call *c, uint32_t sig)
{
	if (sig != SIGINT && sig != SIGTERM && sig != SIGHUP && sig != SIGQUIT) {
		if (c->begun && c->repl->running)
			kill(c->repl->child.pid, (int)sig);
	} else if (c->begun) {
		interrupt(c);
	} else {
		say_started(c);
		say_exit(c, (128 + (int)sig) << 8, NULL);
		give_up(c);
	}
}

static void on_frame(struct conn *conn, const struct frame *f)
{
	struct repl_call *c = conn->owner;
	struct err err = ERR_INIT;
	uint32_t value = 0;

	memcpy(&value, f->data, MIN(f->len, sizeof(value)));
	switch (f->type) {
	case AGENT_STDIN:
		if (f->len <= c->window) {
			repl_input_put(c, f->data, f->len);
			return;
		}
		err_set(&err, ERR_PROTOCOL, "input beyond the window");
		break;
	case AGENT_STDIN_EOF:
		repl_input_eof(c);
		return;
	case AGENT_SIGNAL:
		if (f->len == sizeof(value) && value > 0 && value < _NSIG)
			on_signal(c, value);
		return;
	case AGENT_WINSIZE:
		return;
	default:
		err_set(&err, ERR_PROTOCOL, "unexpected frame %u", f->type);
	}
	on_gone(conn);
	conn_fail(conn, &err);
}

/* Its code is complete. */
static void enqueue(struct repl_call *c, struct err *err)
{
	static const struct conn_ops ops = { on_frame, on_room, on_gone };
	struct repl *r = repl_find(c->agent, c->lang);
	struct repl_call **at;

	if (!r) {
		err_sys(err, ENOMEM, "cannot start an interpreter");
		return;
	}
	if (r->nr_calls >= REPL_CALLS_MAX) {
		err_set(err, ERR_LIMIT, "%d calls wait for the interpreter "
			"already", REPL_CALLS_MAX);
		return;
	}
	c->repl = r;
	at = &r->calls;
	if (c->flags & AGENT_CODE_RESTART) {
		/* whatever runs has had its time */
		at = *at && (*at)->begun ? &(*at)->next : at;
		r->restart = r->running;
		r->lost = false;
		repl_kill(r);
	} else {
		while (*at)
			at = &(*at)->next;
	}
	c->next = *at;
	*at = c;
	r->nr_calls++;
	conn_set_ops(c->conn, &ops, c);
	if (c->timeout_ms)
		loop_timer_set(&c->agent->loop, &c->timeout, c->timeout_ms);
	repl_go_on(r);
}

static void on_code_gone(struct conn *conn)
{
	call_free(conn->owner);
}

static void on_code(struct conn *conn, const struct frame *f)
{
	struct repl_call *c = conn->owner;
	struct agent *a = c->agent;
	struct err err = ERR_INIT;

	if (f->type == AGENT_END) {
		enqueue(c, &err);
	} else if (f->type == AGENT_SIGNAL) {
		return;
	} else if (f->type != AGENT_DATA) {
		err_set(&err, ERR_PROTOCOL, "unexpected frame %u", f->type);
	} else if (c->code.len + f->len > AGENT_CODE_MAX) {
		err_set(&err, ERR_LIMIT, "the code is over %d bytes",
			AGENT_CODE_MAX);
	} else if (a->code_bytes + f->len > REPL_CODE_MAX) {
		err_set(&err, ERR_LIMIT, "too much code waits to be run");
	} else if (buf_append(&c->code, f->data, f->len) < 0) {
		err_sys(&err, ENOMEM, "code");
	} else {
		a->code_bytes += f->len;
	}
	if (!err.code)
		return;
	call_free(c);
	conn_fail(conn, &err);
}

static int parse(struct repl_call *c, struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	char lang[32] = "";
	int rc;

	while ((rc = tlv_next(c->request.data, c->request.len, &pos, &t)) > 0) {
		if (t.tag == AGENT_T_FLAGS)
			c->flags = tlv_u32(&t);
		else if (t.tag == AGENT_T_TIMEOUT)
			c->timeout_ms = tlv_u32(&t);
		else if (t.tag == AGENT_T_LANG)
			tlv_str(&t, lang, sizeof(lang));
		if ((t.tag == AGENT_T_ENV || t.tag == AGENT_T_CALL_ENV ||
		     t.tag == AGENT_T_NAME) && t.len >= REPL_MESSAGE_MAX)
			return err_set(err, ERR_LIMIT, "a variable is over %d "
				       "bytes", REPL_MESSAGE_MAX);
	}
	if (rc < 0)
		return err_set(err, ERR_PROTOCOL, "malformed request");
	c->lang = repl_lang_find(lang);
	if (!c->lang)
		return err_set(err, ERR_USAGE, "no interpreter of \"%s\"", lang);
	return 0;
}

void repl_code(struct conn *conn, const struct frame *f)
{
	static const struct conn_ops ops = { .frame = on_code,
					     .gone = on_code_gone };
	struct repl_call *c = calloc(1, sizeof(*c));
	struct err err = ERR_INIT;

	if (!c) {
		err_sys(&err, ENOMEM, "code");
		conn_fail(conn, &err);
		return;
	}
	c->agent = conn->agent;
	c->conn = conn;
	c->stdin_fd = c->in = -1;
	c->in_watch.fd = -1;
	c->timeout.cb = on_timeout;
	c->code.max = AGENT_CODE_MAX;
	c->request.max = FRAME_MAX;
	if (buf_append(&c->request, f->data, f->len) < 0)
		err_sys(&err, ENOMEM, "code");
	else
		parse(c, &err);
	if (err.code) {
		call_free(c);
		conn_fail(conn, &err);
		return;
	}
	conn_set_ops(conn, &ops, c);
}
