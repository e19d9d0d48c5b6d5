/* SPDX-License-Identifier: MIT */
/*
 * machine/relay.c - joins a channel of the multiplexer to a socket
 *
 * Both ends of the machine, one thread.  Parses nothing.  Distrusts the
 * socket's peer to read or to write in time: what it does not take stays in the
 * channel's window, what the channel does not take stays in the socket.
 */
#include "machine/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"

#define READ_SIZE (64 * 1024)

struct relay {
	struct loop *loop;
	struct loop_watch watch;
	struct mux_chan *ch;
	int fd;
	uint32_t events;
	bool parked;	/* not in the loop: EPOLLHUP would never cease */
	bool read_done;	/* the socket's peer sends no more */
	bool write_done;/* and takes no more, or was told that there is none */
};

static void relay_free(struct relay *r)
{
	loop_del(r->loop, &r->watch);
	close(r->fd);
	free(r);
}

static void watch_for(struct relay *r, uint32_t events)
{
	if (r->parked) {
		if (loop_add(r->loop, &r->watch, r->fd, events) == 0)
			r->parked = false;
	} else if (events != r->events) {
		loop_mod(r->loop, &r->watch, events);
	}
	r->events = events;
}

/* Wait for what can go on, or end. */
static void update(struct relay *r)
{
	bool room = !r->read_done && mux_room(r->ch) > 0;
	bool drain = !r->write_done && r->ch->rx.len > 0;

	if ((r->read_done && r->write_done) ||
	    (r->ch->rx_closed && r->write_done)) {
		mux_close(r->ch);
		relay_free(r);
		return;
	}
	if (!r->read_done && !room)
		mux_want(r->ch);
	watch_for(r, (room ? EPOLLIN : 0) | (drain ? EPOLLOUT : 0));
}

static bool both_shut(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void drop_input(struct relay *r)
{
	r->write_done = true;
	mux_consumed(r->ch, r->ch->rx.len);
}

static void to_socket(struct relay *r)
{
	struct buf *rx = &r->ch->rx;
	ssize_t n;

	while (rx->len && !r->write_done) {
		n = send(r->fd, rx->data, rx->len, MSG_NOSIGNAL);
		if (n >= 0)
			mux_consumed(r->ch, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			drop_input(r);
	}
	if (r->write_done)
		mux_consumed(r->ch, rx->len);
	if (r->ch->rx_eof && !r->write_done) {
		shutdown(r->fd, SHUT_WR);
		r->write_done = true;
	}
}

static void from_socket(struct relay *r)
{
	uint8_t data[READ_SIZE];
	size_t room;
	ssize_t n;

	while (!r->read_done && (room = mux_room(r->ch)) > 0) {
		n = read(r->fd, data, MIN(room, sizeof(data)));
		if (n > 0) {
			mux_send(r->ch, data, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		r->read_done = true;
		mux_send_eof(r->ch);
		if (n < 0 || both_shut(r->fd))
			drop_input(r);
	}
}

static void on_socket(struct loop_watch *w, uint32_t events)
{
	struct relay *r = container_of(w, struct relay, watch);

	if (events & EPOLLOUT)
		to_socket(r);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		from_socket(r);
	if (events & (EPOLLHUP | EPOLLERR)) {
		if (r->read_done) {
			drop_input(r);
		} else {
			loop_del(r->loop, &r->watch);
			r->parked = true;
			mux_want(r->ch);
			return;
		}
	}
	update(r);
}

int relay_start(struct loop *loop, struct mux_chan *ch, int fd)
{
	struct relay *r = calloc(1, sizeof(*r));
	int flags = fcntl(fd, F_GETFL);

	if (!r || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		goto fail;
	r->loop = loop;
	r->ch = ch;
	r->fd = fd;
	r->events = EPOLLIN;
	r->watch.cb = on_socket;
	if (loop_add(loop, &r->watch, fd, r->events) < 0)
		goto fail;
	ch->user = r;
	return 0;
fail:
	mux_close(ch);
	close(fd);
	free(r);
	return -1;
}

void relay_input(struct mux_chan *ch)
{
	struct relay *r = ch->user;

	to_socket(r);
	update(r);
}

void relay_output(struct mux_chan *ch)
{
	struct relay *r = ch->user;

	from_socket(r);
	update(r);
}

void relay_gone(struct mux_chan *ch)
{
	relay_free(ch->user);
}
