/* SPDX-License-Identifier: MIT */
/*
 * guest-init/conn.c - one stream from the host: frames in, frames out
 *
 * Pid 1, its one thread.  The host is trusted in what it wants, not in form: a
 * malformed frame, a request that does not come or too many streams end in an
 * error, and what is buffered is bounded.
 */
#include "guest-init/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/tlv.h"

#define REQUEST_MS 30000	/* a stream without a request is ended */
#define LINGER_MS 2000
/* The kept output of a session, its frame headers, and a window of new. */
#define OUT_MAX (AGENT_KEPT_OUTPUT * 2 + MIB)

/* virtio_vsock_reset_sock() of Linux leaves ECONNRESET to SO_ERROR, while calls
 * fail with ENOTCONN; Unix sockets (in tests) fail with it themselves.
 * @sys errno of the call that failed, 0: none did */
static void note_reset(struct conn *c, int sys)
{
	int pending = 0;
	socklen_t len = sizeof(pending);

	if (c->local)
		return;
	if (sys != ECONNRESET &&
	    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &pending, &len) < 0)
		return;
	c->reset |= sys == ECONNRESET || pending == ECONNRESET;
}

/* The host ended it, or it has to look like that. Only called by the loop.
 * @sys as note_reset() */
static void lost(struct conn *c, int sys)
{
	const struct conn_ops *ops = c->ops;

	if (c->dead)
		return;
	if (sys)
		note_reset(c, sys);
	c->ops = NULL;
	conn_drop(c, false);
	if (ops && ops->gone)
		ops->gone(c);
}

static void update_watch(struct conn *c)
{
	uint32_t events = EPOLLIN;

	if (c->dead)
		return;
	if (c->out.len > c->sent)
		events |= EPOLLOUT;
	loop_mod(&c->agent->loop, &c->watch, events);
}

static void half_close(struct conn *c)
{
	if (c->half_closed)
		return;
	c->half_closed = true;
	shutdown(c->fd, SHUT_WR);
	loop_timer_set(&c->agent->loop, &c->timer, LINGER_MS);
}

/* Nothing more can be sent. Its user hears of it at the next turn, since this
 * may be deep inside that user's own code. */
static void break_off(struct conn *c, int sys)
{
	note_reset(c, sys);
	c->broken = true;
	c->out.len = c->sent = 0;
	loop_timer_set(&c->agent->loop, &c->timer, 0);
}

static void write_out(struct conn *c)
{
	while (c->out.len > c->sent) {
		ssize_t n = send(c->fd, c->out.data + c->sent,
				 c->out.len - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		if (n < 0) {
			break_off(c, errno);
			break;
		}
		c->sent += (size_t)n;
	}
	if (c->sent == c->out.len)
		c->out.len = c->sent = 0;
	if (c->out.len == 0 && c->out.cap > CONN_HIGH)
		buf_free(&c->out);	/* a burst is over */
	if (c->out.len == 0 && c->finishing && !c->broken)
		half_close(c);
	update_watch(c);
}

/* Frames of ended operations are of no interest. */
static void discard(struct conn *c)
{
	char junk[4096];
	ssize_t n = TEMP_FAILURE_RETRY(read(c->fd, junk, sizeof(junk)));

	if (n == 0 || (n < 0 && errno != EAGAIN))
		lost(c, n < 0 ? errno : 0);
}

static void read_in(struct conn *c)
{
	struct err err = ERR_INIT;
	struct frame f;
	ssize_t n;
	int rc = 0;

	if (c->finishing || !c->ops) {
		discard(c);
		return;
	}
	n = frame_fill(&c->in, c->fd);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		lost(c, n < 0 ? errno : 0);
		return;
	}
	while (!c->dead && !c->finishing && c->ops) {
		rc = frame_next(&c->in, &f);
		if (rc <= 0)
			break;
		c->ops->frame(c, &f);
	}
	if (rc < 0) {
		err_set(&err, ERR_PROTOCOL, "malformed frame");
		/* its user first: conn_fail() parts the two */
		if (c->ops && c->ops->gone)
			c->ops->gone(c);
		conn_fail(c, &err);
	}
}

static void on_event(struct loop_watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);
	bool was_full = conn_full(c);

	if (events & EPOLLOUT)
		write_out(c);
	if (was_full && !conn_full(c) && c->ops && c->ops->room)
		c->ops->room(c);
	if (!c->dead && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_in(c);
}

static void on_timer(struct loop_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	lost(c, 0);
}

struct conn *conn_open(struct agent *a, int fd, const struct conn_ops *ops)
{
	struct conn *c = NULL;

	if (a->nr_conns < AGENT_CONNS_MAX)
		c = calloc(1, sizeof(*c));
	if (c) {
		c->watch.fd = -1;
		c->watch.cb = on_event;
		c->timer.cb = on_timer;
		c->agent = a;
		c->fd = fd;
		c->ops = ops;
		c->out.max = OUT_MAX;
	}
	if (!c || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
	    loop_add(&a->loop, &c->watch, fd, EPOLLIN) < 0) {
		free(c);
		close(fd);
		return NULL;
	}
	loop_timer_set(&a->loop, &c->timer, REQUEST_MS);
	c->next = a->conns;
	a->conns = c;
	a->nr_conns++;
	return c;
}

void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *owner)
{
	if (!c->broken)
		loop_timer_cancel(&c->agent->loop, &c->timer);
	c->ops = ops;
	c->owner = owner;
}

bool conn_full(const struct conn *c)
{
	return c->out.len - c->sent >= CONN_HIGH;
}

/* What the socket takes at once need not be kept. Return: bytes sent. */
static size_t send_now(struct conn *c, const struct iovec iov[2])
{
	const struct msghdr msg = { .msg_iov = (struct iovec *)iov,
				    .msg_iovlen = 2 };
	ssize_t n;

	if (c->out.len)
		return 0;
	n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		break_off(c, errno);
	return n < 0 ? 0 : (size_t)n;
}

void conn_send(struct conn *c, uint8_t type, const void *data, size_t len)
{
	uint8_t head[FRAME_HEADER] = { (uint8_t)len, (uint8_t)(len >> 8),
				       (uint8_t)(len >> 16), 0, type };
	const struct iovec iov[2] = { { head, sizeof(head) },
				      { (void *)data, len } };
	size_t done;

	BUG_ON(len > FRAME_MAX);
	if (c->dead || c->broken || c->finishing)
		return;
	done = send_now(c, iov);
	if (c->broken || done == sizeof(head) + len)
		return;
	if (c->sent >= CONN_HIGH) {
		buf_consume(&c->out, c->sent);
		c->sent = 0;
	}
	for (int i = 0; i < 2; i++) {
		size_t skip = MIN(done, iov[i].iov_len);

		done -= skip;
		if (buf_append(&c->out, (uint8_t *)iov[i].iov_base + skip,
			       iov[i].iov_len - skip) < 0) {
			break_off(c, 0);
			return;
		}
	}
	update_watch(c);
}

void conn_fail(struct conn *c, const struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_u32(&b, AGENT_T_CODE, err->code);
	if (err->sys)
		tlv_put_u32(&b, AGENT_T_ERRNO, (uint32_t)err->sys);
	tlv_put_str(&b, AGENT_T_MESSAGE, err->msg);
	conn_send(c, AGENT_ERROR, b.data, b.len);
	conn_finish(c);
}

void conn_finish(struct conn *c)
{
	if (c->dead)
		return;
	c->finishing = true;
	conn_set_ops(c, NULL, NULL);
	write_out(c);
}

int conn_drop(struct conn *c, bool keep_fd)
{
	int fd = c->fd;

	if (c->dead)
		return -1;
	c->dead = true;
	c->fd = -1;
	loop_del(&c->agent->loop, &c->watch);
	loop_timer_cancel(&c->agent->loop, &c->timer);
	if (keep_fd)
		return fd;
	close(fd);
	return -1;
}

void conn_flush(struct conn *c, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };

	while (!c->dead && c->out.len > c->sent && poll(&p, 1, ms) > 0)
		write_out(c);
}

void conn_sweep(struct agent *a)
{
	struct conn **at = &a->conns;

	while (*at) {
		struct conn *c = *at;

		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		a->nr_conns--;
		frame_reader_free(&c->in);
		buf_free(&c->out);
		free(c);
	}
}
