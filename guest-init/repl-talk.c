/* SPDX-License-Identifier: MIT */
/*
 * guest-init/repl-talk.c - what is said over an interpreter's control socket
 *
 * Pid 1.  repl.py has the messages.  The other end is in the hands of the user's
 * code: a message that is too long, unknown or out of place ends the interpreter;
 * what it can pretend is only that its own code is done.
 */
#include "guest-init/repl-parts.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/tlv.h"

#define BATCH 16	/* messages read at one turn */
#define MIME_MAX 256

static int put(struct buf *q, char kind, const void *data, size_t len)
{
	uint32_t size = (uint32_t)len + 1;

	if (buf_append(q, &size, sizeof(size)) < 0 ||
	    buf_append(q, &kind, 1) < 0)
		return -1;
	return buf_append(q, data, len);
}

/* The sandbox's variables when they are not those that the driver has; they come
 * again and again, while the driver must be asked but once. */
static int put_values(struct repl *r, const struct repl_call *c)
{
	CLEANUP_BUF struct buf env = { .max = FRAME_MAX };
	struct tlv t;
	size_t pos = 0;
	bool same;

	while (tlv_next(c->request.data, c->request.len, &pos, &t) > 0)
		if (t.tag == AGENT_T_ENV && tlv_put(&env, t.tag, t.data, t.len) < 0)
			return -1;
	same = env.len == r->env.len &&
	       (!env.len || memcmp(env.data, r->env.data, env.len) == 0);
	for (pos = 0; tlv_next(c->request.data, c->request.len, &pos, &t) > 0;) {
		if ((t.tag == AGENT_T_ENV && !same &&
		     put(&r->queue, 'S', t.data, t.len) < 0) ||
		    (t.tag == AGENT_T_CALL_ENV &&
		     put(&r->queue, 'E', t.data, t.len) < 0) ||
		    (t.tag == AGENT_T_NAME &&
		     put(&r->queue, 'N', t.data, t.len) < 0))
			return -1;
	}
	if (!same) {
		buf_free(&r->env);
		r->env = env;
		env = (struct buf)BUF_INIT;
	}
	return 0;
}

int repl_talk_begin(struct repl *r, struct repl_call *c)
{
	uint32_t head[2] = { r->number + 1, c->flags };

	if (r->copied)
		head[1] |= REPL_COPIED;
	if (put(&r->queue, 'B', head, sizeof(head)) < 0 ||
	    put_values(r, c) < 0) {
		buf_free(&r->queue);
		return -1;
	}
	r->number++;
	r->copied = false;
	return 0;
}

/* Return: 1, 0 when there is no room, -1 when nobody is there any more. */
static int say(struct repl *r, char kind, const void *data, size_t len,
	       const int *fd)
{
	struct iovec iov[2] = { { &kind, 1 }, { (void *)data, len } };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (fd) {
		struct cmsghdr *h;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.space);
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), fd, sizeof(int));
	}
	n = TEMP_FAILURE_RETRY(sendmsg(r->control, &msg, MSG_NOSIGNAL));
	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

/* The descriptor goes with the first message of a call. */
static int say_queued(struct repl *r, struct repl_call *c)
{
	while (r->queue.len) {
		uint32_t len;
		int rc;

		memcpy(&len, r->queue.data, sizeof(len));
		rc = say(r, (char)r->queue.data[4], r->queue.data + 5, len - 1,
			 c->stdin_fd >= 0 ? &c->stdin_fd : NULL);
		if (rc <= 0)
			return rc;
		if (c->stdin_fd >= 0)
			close(c->stdin_fd);
		c->stdin_fd = -1;
		buf_consume(&r->queue, 4 + len);
	}
	return 1;
}

static int say_code(struct repl *r, struct repl_call *c)
{
	while (c->sent < c->code.len) {
		size_t n = MIN(c->code.len - c->sent,
			       (size_t)REPL_MESSAGE_MAX - 1);
		int rc = say(r, 'C', c->code.data + c->sent, n, NULL);

		if (rc <= 0)
			return rc;
		c->sent += n;
	}
	return 1;
}

/* Return: whether something is left to be sent. */
static bool say_all(struct repl *r)
{
	struct repl_call *c = repl_current(r);
	int rc;

	if (!c || c->run_sent)
		return false;
	rc = say_queued(r, c);
	if (rc > 0)
		rc = say_code(r, c);
	if (rc > 0)
		rc = say(r, 'R', NULL, 0, NULL);
	if (rc == 0)
		return true;
	/* with -1 the end of the socket is still to be read */
	c->run_sent = true;
	c->agent->code_bytes -= c->code.len;
	buf_free(&c->code);
	return false;
}

void repl_talk_flow(struct repl *r)
{
	struct repl_call *c = repl_current(r);
	uint32_t events = 0;

	if (r->control < 0)
		return;
	if (r->ready && say_all(r))
		events |= EPOLLOUT;
	/* a DISPLAY waits for its reader, as all output does */
	if (!c || !c->conn || c->ending || !conn_full(c->conn))
		events |= EPOLLIN;
	if (r->control_watch.fd < 0)
		loop_add(&r->agent->loop, &r->control_watch, r->control, events);
	else
		loop_mod(&r->agent->loop, &r->control_watch, events);
}

static bool is_display(const uint8_t *data, size_t len)
{
	unsigned int seen = 0;
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(data, len, &pos, &t)) > 0) {
		if (t.tag == AGENT_T_DISPLAY && t.len == 4)
			seen |= 1;
		else if (t.tag == AGENT_T_MIME && t.len < MIME_MAX)
			seen |= 2;
		else if (t.tag == AGENT_T_CONTENT)
			seen |= 4;
		else
			return false;
	}
	return rc == 0 && seen == 7;
}

static void hang_up(struct repl *r)
{
	loop_del(&r->agent->loop, &r->control_watch);
	close(r->control);
	r->control = -1;
}

/* Return: false when it makes no sense. */
static bool on_message(struct repl *r, const uint8_t *data, size_t len)
{
	struct repl_call *c = repl_current(r);
	uint32_t number = 0;

	if (len == 1 && data[0] == 'r' && !r->ready) {
		r->ready = true;
		repl_go_on(r);
		return true;
	}
	if (!c || len < 5)
		return false;
	memcpy(&number, data + 1, sizeof(number));
	if (number != r->number)
		return false;
	switch (data[0]) {
	case 'w':
		repl_input_grant(c);
		return len == 5;
	case 'D':
		if (!is_display(data + 5, len - 5))
			return false;
		repl_io_drain(r);
		if (c->conn)
			conn_send(c->conn, AGENT_DISPLAY, data + 5, len - 5);
		return true;
	case 'd':
		if (len != 6 || !c->run_sent)
			return false;
		repl_io_drain(r);
		repl_call_done(r, data[5] << 8, NULL);
		repl_go_on(r);
		return true;
	default:
		return false;
	}
}

void repl_on_control(struct loop_watch *w, uint32_t events)
{
	static uint8_t data[REPL_MESSAGE_MAX];
	struct repl *r = container_of(w, struct repl, control_watch);

	for (int i = 0; i < BATCH && r->control >= 0; i++) {
		ssize_t n = recv(r->control, data, sizeof(data), MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		/* gone: its end follows, or it has become another program,
		 * which is then the rest of this call */
		if (n <= 0) {
			hang_up(r);
			if (!repl_current(r))
				repl_kill(r);
			break;
		}
		if (r->dying)
			continue;
		if ((size_t)n > sizeof(data) ||
		    !on_message(r, data, (size_t)n)) {
			repl_kill(r);
			break;
		}
	}
	repl_talk_flow(r);
	repl_io_flow(r);
}
