/* SPDX-License-Identifier: MIT */
/*
 * cli/xfer.c - a tar stream to or from a sandbox
 *
 * Runs in the CLI.  Distrusts the stream: it is the guest's.  Frames are
 * bounded by frame.h; any that does not belong here ends the copy.
 */
#include "cli/xfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "cli/session-frame.h"
#include "common/agent.h"

/* See xfer.h. */
void xfer_init(struct xfer *x, struct stream *s, struct sigs *sigs,
	       const struct globals *g, const char *what)
{
	*x = (struct xfer){ .s = s, .sigs = sigs, .what = what };
	fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK);
	progress_start(&x->progress, g);
	progress_bytes(&x->progress, what, 0, 0);
}

static int cut_short(struct err *err)
{
	err_set(err, ERR_GUEST, "the copy was cut short");
	return err_hint(err, "`podflare ls` shows the sandbox's state");
}

/* Wait for @events on the stream, or for @input (-1: none).
 * Return: what is on the stream, 0 when @input can be read, -1 with @err. */
static int await(struct xfer *x, short events, int input, struct err *err)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = x->s->fd, .events = events },
			{ .fd = x->sigs->fd, .events = POLLIN },
			{ .fd = input, .events = POLLIN },
		};
		int n = poll(p, ARRAY_SIZE(p), progress_timeout(&x->progress));
		int sig;

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		progress_bytes(&x->progress, x->what, x->done, x->total);
		sig = n > 0 && p[1].revents ? sigs_read(x->sigs) : 0;
		if (sig && sig != SIGWINCH && sig != SIGCONT) {
			x->signal = sig;
			progress_end(&x->progress);
			return err_set(err, ERR_CANCELLED, "interrupted");
		}
		if (n > 0 && p[0].revents)
			return p[0].revents;
		if (n > 0 && p[2].revents)
			return 0;
	}
}

/* A frame that is here already, or, if @block, the next one.
 * Return: 1, 0 when none is here or at the end of the stream, -1 with @err. */
static int next_frame(struct xfer *x, struct frame *f, bool block,
		      struct err *err)
{
	for (;;) {
		int rc = frame_next(&x->s->in, f);
		ssize_t n;

		if (rc > 0 && f->type == AGENT_ERROR) {
			progress_end(&x->progress);
			return frame_error(f, err);
		}
		if (rc > 0)
			return 1;
		if (rc < 0)
			return err_set(err, ERR_PROTOCOL,
				       "the sandbox's agent: not a frame");
		if (block && await(x, POLLIN, -1, err) < 0)
			return -1;
		n = frame_fill(&x->s->in, x->s->fd);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, errno, "stream");
		if (n < 0 && !block)
			return 0;
	}
}

static int unexpected(const struct frame *f, struct err *err)
{
	return err_set(err, ERR_PROTOCOL,
		       "the sandbox's agent: unexpected frame %u", f->type);
}

/* The agent closed its side: why? */
static int closed(struct xfer *x, struct err *err)
{
	struct frame f;
	int rc = next_frame(x, &f, true, err);

	progress_end(&x->progress);
	if (rc < 0)
		return -1;
	return rc ? unexpected(&f, err) : cut_short(err);
}

/* See xfer.h. */
int xfer_wait_input(struct xfer *x, int fd, struct err *err)
{
	int events = await(x, POLLIN, fd, err);

	if (events < 0)
		return -1;
	return events ? closed(x, err) : 0;
}

static int send_all(struct xfer *x, struct buf *b, struct err *err)
{
	while (b->len) {
		ssize_t n = send(x->s->fd, b->data, b->len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		int events;

		if (n >= 0) {
			buf_consume(b, (size_t)n);
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return closed(x, err);
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, errno, "stream");
		events = await(x, POLLOUT | POLLIN, -1, err);
		if (events < 0)
			return -1;
		if (events & ~POLLOUT)
			return closed(x, err);
	}
	return 0;
}

/* See xfer.h. */
int xfer_send(struct xfer *x, const void *data, size_t len, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const uint8_t *p = data;

	while (len) {
		size_t part = MIN(len, FRAME_DATA_MAX);

		if (frame_put(&b, AGENT_DATA, p, part) < 0)
			return err_sys(err, errno, "stream");
		if (send_all(x, &b, err) < 0)
			return -1;
		x->done += part;
		p += part;
		len -= part;
	}
	progress_bytes(&x->progress, x->what, x->done, x->total);
	return 0;
}

/* See xfer.h. */
int xfer_expect_ok(struct xfer *x, struct err *err)
{
	struct frame f;
	int rc = next_frame(x, &f, true, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return cut_short(err);
	return f.type == AGENT_OK ? 0 : unexpected(&f, err);
}

/* See xfer.h. */
int xfer_send_end(struct xfer *x, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (frame_put(&b, AGENT_END, NULL, 0) < 0)
		return err_sys(err, errno, "stream");
	return send_all(x, &b, err);
}

/* See xfer.h. */
int xfer_finish(struct xfer *x, struct err *err)
{
	int rc = xfer_send_end(x, err);

	if (rc == 0)
		rc = xfer_expect_ok(x, err);
	progress_end(&x->progress);
	return rc;
}

/* See xfer.h. */
int xfer_receive(struct xfer *x, const void **data, size_t *len,
		 struct err *err)
{
	struct frame f;
	int rc = next_frame(x, &f, true, err);

	if (rc <= 0) {
		progress_end(&x->progress);
		return rc < 0 ? -1 : cut_short(err);
	}
	if (f.type == AGENT_END && f.len == 0) {
		progress_end(&x->progress);
		return 0;
	}
	if (f.type != AGENT_DATA)
		return unexpected(&f, err);
	x->done += f.len;
	progress_bytes(&x->progress, x->what, x->done, x->total);
	*data = f.data;
	*len = f.len;
	return 1;
}
