/* SPDX-License-Identifier: MIT */
/*
 * machine/port.c - a multiplexer on a file descriptor of an event loop
 *
 * Host: the Unix socket that is QEMU's side of the virtio-serial port.  Guest:
 * the port's character device.  One thread.  Parses nothing itself.
 *
 * Theory of operation: a virtio port whose host side has nobody connected says
 * EPOLLHUP for as long as that lasts, so the guest leaves it alone and looks
 * again on a timer.  A hello can be lost when the host comes back before the
 * guest has seen that it was away; so it is said again, less and less often,
 * until it is answered.
 */
#include "machine/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define READ_SIZE (64 * 1024)
#define RETRY_MS 250
#define RETRY_MAX_MS 8000
#define AWAY_MS 50

static void hang_up(struct port *p)
{
	loop_del(p->loop, &p->watch);
	mux_hangup(&p->mux);
	if (p->mux.role == MUX_GUEST)
		loop_timer_set(p->loop, &p->timer, AWAY_MS);
	else if (p->down)
		p->down(p);
}

static void on_port(struct loop_watch *w, uint32_t events)
{
	struct port *p = container_of(w, struct port, watch);
	uint8_t data[READ_SIZE];
	ssize_t n;

	if (events & EPOLLIN) {
		n = read(p->fd, data, sizeof(data));
		if (n > 0)
			mux_input(&p->mux, data, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			hang_up(p);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		hang_up(p);
	}
}

static void host_timer(struct port *p)
{
	if (p->mux.up)
		return;
	/* what was said before is still under way: the guest is not up yet */
	if (p->mux.out.len == 0)
		mux_hello(&p->mux);
	p->retry_ms = MIN(p->retry_ms * 2, (uint32_t)RETRY_MAX_MS);
	loop_timer_set(p->loop, &p->timer, p->retry_ms);
}

static void guest_timer(struct port *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

	if (poll(&pfd, 1, 0) < 0 || (pfd.revents & POLLHUP) ||
	    loop_add(p->loop, &p->watch, p->fd, EPOLLIN) < 0)
		loop_timer_set(p->loop, &p->timer, AWAY_MS);
	p->events = EPOLLIN;
}

static void on_timer(struct loop_timer *t)
{
	struct port *p = container_of(t, struct port, timer);

	if (p->mux.role == MUX_HOST)
		host_timer(p);
	else
		guest_timer(p);
}

int port_start(struct port *p, struct loop *loop, int fd, enum mux_role role,
	       const struct mux_ops *ops, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(err, errno, "port");
	mux_init(&p->mux, role, ops);
	p->loop = loop;
	p->fd = fd;
	p->watch = (struct loop_watch){ .fd = -1, .cb = on_port };
	p->timer = (struct loop_timer){ .cb = on_timer };
	p->events = EPOLLIN;
	p->retry_ms = RETRY_MS;
	if (loop_add(loop, &p->watch, fd, p->events) < 0)
		return err_sys(err, errno, "port");
	mux_hello(&p->mux);
	if (role == MUX_HOST)
		loop_timer_set(loop, &p->timer, p->retry_ms);
	return 0;
}

void port_stop(struct port *p)
{
	loop_timer_cancel(p->loop, &p->timer);
	loop_del(p->loop, &p->watch);
	mux_free(&p->mux);
}

/* Return: whether all that was there has been written. */
static bool write_out(struct port *p)
{
	const struct buf *out = &p->mux.out;
	size_t done = 0;
	ssize_t n;
	bool all;

	while (done < out->len) {
		n = write(p->fd, out->data + done, out->len - done);
		if (n < 0 && errno != EINTR)
			break;	/* EAGAIN; what is worse, reading will tell */
		done += n > 0 ? (size_t)n : 0;
	}
	all = done == out->len;
	mux_written(&p->mux, done);
	return all;
}

void port_flush(struct port *p)
{
	uint32_t events = EPOLLIN;

	if (p->watch.fd < 0)
		return;
	/* a session that has just ended: the next hello may be sent soon */
	if (!p->mux.up && p->mux.role == MUX_HOST && !p->timer.deadline) {
		p->retry_ms = RETRY_MS;
		loop_timer_set(p->loop, &p->timer, p->retry_ms);
	}
	while (p->mux.out.len) {
		if (!write_out(p)) {
			events |= EPOLLOUT;
			break;
		}
	}
	if (events != p->events && loop_mod(p->loop, &p->watch, events) == 0)
		p->events = events;
}
