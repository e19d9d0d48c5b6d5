/* SPDX-License-Identifier: MIT */
/*
 * runner/agent.c - the host's side of the agent protocol
 *
 * podflared, loop thread.  Distrusts the guest: a reply is one frame of at most
 * FRAME_MAX bytes, in time, of a known type; texts in it are made harmless.
 */
#include "runner/agent.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/frame.h"
#include "common/tlv.h"
#include "runner/text.h"

struct agent_op {
	struct loop *loop;
	struct vmctl_call *connect;	/* while it is in flight */
	struct loop_watch stream;
	struct loop_timer deadline;
	struct buf out;		/* the request, what is left of it */
	struct frame_reader in;
	agent_open_cb opened;	/* one of the three is set */
	agent_reply_cb replied;
	agent_hold_cb held;
	bool wait;		/* with the request, for agent_go() */
	void *arg;
};

/* Free everything; Return: the stream's fd, no longer owned, or -1. */
static int dissolve(struct agent_op *op)
{
	int fd = op->stream.fd;

	if (op->connect)
		vmctl_cancel(op->connect);
	loop_timer_cancel(op->loop, &op->deadline);
	loop_del(op->loop, &op->stream);
	buf_free(&op->out);
	frame_reader_free(&op->in);
	free(op);
	return fd;
}

static void fail(struct agent_op *op, const struct err *err)
{
	agent_open_cb opened = op->opened;
	agent_reply_cb replied = op->replied;
	agent_hold_cb held = op->held;
	void *arg = op->arg;
	int fd = dissolve(op);

	if (fd >= 0)
		close(fd);
	if (opened)
		opened(arg, err, -1);
	else if (held)
		held(arg, err, NULL, 0, -1);
	else
		replied(arg, err, NULL, 0);
}

static void fail_with(struct agent_op *op, enum err_code code, const char *why)
{
	struct err err = ERR_INIT;

	err_set(&err, code, "the guest's agent: %s", why);
	fail(op, &err);
}

/* The guest's ERROR frame as an error of ours. */
static void parse_error(const struct frame *f, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	uint32_t code = ERR_GUEST, sys = 0;
	struct tlv t;
	size_t pos = 0;

	while (tlv_next(f->data, f->len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_CODE)
			code = tlv_u32(&t);
		else if (t.tag == AGENT_T_ERRNO)
			sys = tlv_u32(&t);
		else if (t.tag == AGENT_T_MESSAGE && !text.len)
			text_put(&text, t.data, MIN(t.len, 512), TEXT_CLEAN);
	}
	if (code <= ERR_NONE || code >= ERR_CODES)
		code = ERR_GUEST;
	err_set(err, code, "%s", text.len ? buf_str(&text)
					  : "the guest's agent refused");
	err->sys = (int)(sys & 0xfff);
}

static void handle_reply(struct agent_op *op, const struct frame *f)
{
	struct err err = ERR_INIT;

	switch (f->type) {
	case AGENT_OK: {
		agent_reply_cb replied = op->replied;
		agent_hold_cb held = op->held;
		struct frame_reader in = op->in;
		void *arg = op->arg;
		int fd;

		/* the values must outlive the operation */
		op->in = (struct frame_reader){ .consumed = 0 };
		fd = dissolve(op);
		if (held) {
			held(arg, NULL, f->data, f->len, fd);
		} else {
			close(fd);
			replied(arg, NULL, f->data, f->len);
		}
		frame_reader_free(&in);
		return;
	}
	case AGENT_ERROR:
		parse_error(f, &err);
		fail(op, &err);
		return;
	default:
		fail_with(op, ERR_PROTOCOL, "an answer of an unknown type");
	}
}

static void read_reply(struct agent_op *op)
{
	ssize_t n = frame_fill(&op->in, op->stream.fd);
	struct frame f;
	int rc;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fail_with(op, ERR_GUEST, "the connection was closed");
		return;
	}
	rc = frame_next(&op->in, &f);
	if (rc < 0)
		fail_with(op, ERR_PROTOCOL, "malformed answer");
	else if (rc > 0)
		handle_reply(op, &f);
}

/* The request is out, or the guest does not want more of it (it may have sent
 * an ERROR already, which is for the client to read). */
static void sent(struct agent_op *op)
{
	agent_open_cb opened = op->opened;
	void *arg = op->arg;

	if (!opened) {
		loop_mod(op->loop, &op->stream, EPOLLIN);
		return;
	}
	opened(arg, NULL, dissolve(op));
}

static void send_more(struct agent_op *op)
{
	ssize_t n;

	while (op->out.len) {
		n = send(op->stream.fd, op->out.data, op->out.len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		buf_consume(&op->out, (size_t)n);
	}
	sent(op);
}

static void stream_event(struct loop_watch *w, uint32_t events)
{
	struct agent_op *op = container_of(w, struct agent_op, stream);

	if (op->wait)
		fail_with(op, ERR_GUEST, "the connection was closed");
	else if (op->out.len)
		send_more(op);
	else
		read_reply(op);
}

static void connected(void *arg, const struct err *err,
		      const struct vm_status *st, int fd)
{
	struct agent_op *op = arg;
	struct err e;

	op->connect = NULL;
	if (err) {
		e = *err;
		err_context(&e, "cannot reach the guest's agent");
		fail(op, &e);
		return;
	}
	if (loop_add(op->loop, &op->stream, fd,
		     op->wait ? EPOLLIN : EPOLLOUT) < 0) {
		close(fd);
		fail_with(op, ERR_FAILED, strerror(errno));
		return;
	}
	if (!op->wait)
		send_more(op);
}

static void deadline_cb(struct loop_timer *t)
{
	fail_with(container_of(t, struct agent_op, deadline), ERR_TIMEOUT,
		  "no answer in time");
}

static struct agent_op *start(struct loop *l, struct vmctl *vm, uint8_t type,
			      struct buf *payload, unsigned int timeout_ms,
			      const struct agent_op *how, struct err *err)
{
	struct agent_op *op;

	if (!vm) {
		err_set(err, ERR_UNAVAILABLE, "the sandbox's VMM has ended");
		return NULL;
	}
	if (payload->len > FRAME_MAX) {
		err_set(err, ERR_LIMIT, "the request is over %d bytes",
			FRAME_MAX);
		return NULL;
	}
	op = calloc(1, sizeof(*op));
	if (!op || frame_put(&op->out, type, payload->data, payload->len) < 0) {
		free(op);
		err_set(err, ERR_NO_MEMORY, "agent call");
		return NULL;
	}
	buf_consume(payload, payload->len);
	op->loop = l;
	op->opened = how->opened;
	op->replied = how->replied;
	op->held = how->held;
	op->wait = how->held;
	op->arg = how->arg;
	op->stream.cb = stream_event;
	op->stream.fd = -1;
	op->deadline.cb = deadline_cb;
	op->connect = vmctl_connect(vm, AGENT_VSOCK_PORT, timeout_ms, connected,
				    op, err);
	if (!op->connect) {
		dissolve(op);
		return NULL;
	}
	loop_timer_set(l, &op->deadline, timeout_ms);
	return op;
}

struct agent_op *agent_open(struct loop *l, struct vmctl *vm, uint8_t type,
			    struct buf *payload, unsigned int timeout_ms,
			    agent_open_cb cb, void *arg, struct err *err)
{
	const struct agent_op how = { .opened = cb, .arg = arg };

	return start(l, vm, type, payload, timeout_ms, &how, err);
}

struct agent_op *agent_call(struct loop *l, struct vmctl *vm, uint8_t type,
			    struct buf *payload, unsigned int timeout_ms,
			    agent_reply_cb cb, void *arg, struct err *err)
{
	const struct agent_op how = { .replied = cb, .arg = arg };

	return start(l, vm, type, payload, timeout_ms, &how, err);
}

struct agent_op *agent_hold(struct loop *l, struct vmctl *vm, uint8_t type,
			    unsigned int timeout_ms, agent_hold_cb cb,
			    void *arg, struct err *err)
{
	const struct agent_op how = { .held = cb, .arg = arg };
	CLEANUP_BUF struct buf none = BUF_INIT;

	return start(l, vm, type, &none, timeout_ms, &how, err);
}

void agent_go(struct agent_op *op)
{
	op->wait = false;
	if (op->stream.fd >= 0) {
		loop_mod(op->loop, &op->stream, EPOLLOUT);
		send_more(op);
	}
}

void agent_cancel(struct agent_op *op)
{
	int fd = dissolve(op);

	if (fd >= 0)
		close(fd);
}
