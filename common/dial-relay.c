/* SPDX-License-Identifier: MIT */
/*
 * common/dial-relay.c - a client's byte stream to the runner, over a pipe
 *
 * What runs at the far end of ssh, of an exec'ed command, and in the emulated
 * machine.  One thread, poll(2).  Parses nothing: it copies bytes, and goes on
 * with the descriptor that the runner passes (jsonrpc.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/dial.h"
#include "common/fdpass.h"

#define CHUNK (64 * 1024)

/* One direction: what was read and not yet written. */
struct lane {
	char data[CHUNK];
	size_t pos, len;
	bool eof;	/* the source has ended */
	bool done;	/* and its end was passed on */
};

struct relay {
	int sock;	/* the runner, later the stream it passed */
	int next;	/* passed, taken up once the lane down is empty; -1 */
	int in, out;
	struct lane up, down;
};

/* Descriptors that are no sockets, or not connected ones, have no half-close. */
static void pass_eof(int fd)
{
	if (shutdown(fd, SHUT_WR) < 0 && errno == ENOTSOCK)
		close(fd);
}

static int lane_write(struct lane *l, int fd)
{
	ssize_t n = write(fd, l->data + l->pos, l->len - l->pos);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	l->pos += (size_t)n;
	if (l->pos == l->len)
		l->pos = l->len = 0;
	return 0;
}

static int lane_up_read(struct relay *r)
{
	ssize_t n = read(r->in, r->up.data, CHUNK);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	r->up.len = (size_t)n;
	r->up.eof = n == 0;
	return 0;
}

static int lane_down_read(struct relay *r)
{
	size_t nfds = 1;
	int fd = -1;
	ssize_t n = fdpass_recv(r->sock, r->down.data, CHUNK, &fd, &nfds);

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (nfds) {
		if (r->next >= 0)
			close(r->next);
		r->next = fd;
	}
	r->down.len = (size_t)n;
	r->down.eof = n == 0 && r->next < 0;
	return 0;
}

/* The line that carried the descriptor is out: everything after goes there. */
static void switch_stream(struct relay *r)
{
	if (r->next < 0 || r->down.len)
		return;
	close(r->sock);
	r->sock = r->next;
	r->next = -1;
	if (r->up.done)
		pass_eof(r->sock);
}

static void pass_ends(struct relay *r)
{
	if (r->up.eof && !r->up.len && !r->up.done) {
		shutdown(r->sock, SHUT_WR);
		r->up.done = true;
	}
	if (r->down.eof && !r->down.len && !r->down.done) {
		pass_eof(r->out);
		r->down.done = true;
	}
}

static int relay_step(struct relay *r)
{
	enum { UP_IN, UP_OUT, DOWN_IN, DOWN_OUT };
	/* while a switch is pending, what comes from the client waits for it */
	bool hold = r->next >= 0;
	struct pollfd p[] = {
		[UP_IN] = { !r->up.eof && !r->up.len ? r->in : -1, POLLIN },
		[UP_OUT] = { r->up.len && !hold ? r->sock : -1, POLLOUT },
		[DOWN_IN] = { !r->down.eof && !r->down.len && !hold ? r->sock
			      : -1, POLLIN },
		[DOWN_OUT] = { r->down.len ? r->out : -1, POLLOUT },
	};

	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return errno == EINTR ? 0 : -1;
	if (p[UP_OUT].revents && lane_write(&r->up, r->sock) < 0)
		/* the far end is gone: nothing to send to, but read on */
		r->up.len = 0, r->up.eof = true;
	if (p[DOWN_OUT].revents && lane_write(&r->down, r->out) < 0)
		return -1;
	if (p[UP_IN].revents && lane_up_read(r) < 0)
		return -1;
	if (p[DOWN_IN].revents && lane_down_read(r) < 0)
		r->down.eof = true;
	switch_stream(r);
	pass_ends(r);
	return 0;
}

int dial_relay(int sock, int in_fd, int out_fd, struct err *err)
{
	struct relay *r = calloc(1, sizeof(*r));
	int rc = 0;

	if (!r) {
		close(sock);
		return err_sys(err, ENOMEM, "relay");
	}
	r->sock = sock;
	r->next = -1;
	r->in = in_fd;
	r->out = out_fd;
	/* the runner's side ending is the end; ours may only half-close */
	while (rc == 0 && !r->down.done)
		rc = relay_step(r);
	if (rc < 0)
		err_sys(err, errno, "relay");
	close(r->sock);
	if (r->next >= 0)
		close(r->next);
	free(r);
	return rc;
}
