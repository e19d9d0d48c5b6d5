/* SPDX-License-Identifier: MIT */
/*
 * runner/client.c - one connection of a client: lines in, lines out
 *
 * podflared, loop thread.  Distrusts the client: see server.c.
 */
#include "runner/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/jsonrpc.h"

#define READ_CHUNK (64 * 1024)
#define LINES_BATCH 16		/* lines of one client before the others' turn */
#define REQUESTS_MAX 64		/* in flight, of one client */
#define OUT_HIGH (1024 * 1024)	/* no more lines are read above it */
#define OUT_MAX (8 * 1024 * 1024)
#define STALL_MS 30000

static bool has_output(const struct client *c)
{
	return c->out.len || c->last_fd >= 0;
}

/* Whether the next line, if there is one, may be looked at. */
static bool may_take(const struct client *c)
{
	return !c->input_taken && !c->closing && !c->dead &&
	       c->last_fd < 0 && c->out.len < OUT_HIGH &&
	       c->peer.nr_requests < REQUESTS_MAX;
}

static void update(struct client *c)
{
	struct loop *l = &c->server->runner->loop;
	uint32_t events = 0;

	if (c->watch.fd < 0)
		return;
	if (may_take(c) && !c->eof && c->in.len - c->pos <= JSONRPC_LINE_MAX)
		events |= EPOLLIN;
	if (has_output(c))
		events |= EPOLLOUT;
	loop_mod(l, &c->watch, events);
	if (!has_output(c))
		loop_timer_cancel(l, &c->stall);
	else if (!c->stall.deadline)
		loop_timer_set(l, &c->stall, STALL_MS);
}

int client_flush(struct client *c)
{
	struct loop *l = &c->server->runner->loop;
	ssize_t n;

	while (has_output(c) && !c->dead) {
		if (c->out.len)
			n = fdpass_send(c->fd, c->out.data, c->out.len, NULL,
					0);
		else
			n = fdpass_send(c->fd, c->last.data, c->last.len,
					&c->last_fd, 1);
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n < 0) {
			c->dead = true;
			break;
		}
		loop_timer_cancel(l, &c->stall);
		if (c->out.len) {
			buf_consume(&c->out, (size_t)n);
			continue;
		}
		/* the descriptor is out; what may be left is plain bytes */
		close(steal_fd(&c->last_fd));
		buf_append(&c->out, c->last.data + n, c->last.len - (size_t)n);
		c->closing = true;
	}
	return c->dead ? -1 : 0;
}

static void send_line(struct request_peer *p, const json_t *line, int fd)
{
	struct client *c = container_of(p, struct client, peer);
	struct buf *b = fd >= 0 ? &c->last : &c->out;

	if (c->dead || c->last_fd >= 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (!line || jsonrpc_put(b, line) < 0 || c->out.len > OUT_MAX) {
		log_warn_limited(&c->server->log_limit,
				 "client: too much unread output, dropped");
		c->dead = true;
	}
	c->last_fd = fd;
	/* sent from the event loop; a dead one is freed there, too */
	loop_timer_set(&c->server->runner->loop, &c->more, 0);
}

static int take_input(struct request_peer *p, struct buf *rest)
{
	struct client *c = container_of(p, struct client, peer);

	if (c->input_taken || c->dead)
		return -1;
	buf_consume(&c->in, c->pos);
	c->pos = 0;
	if (buf_append(rest, c->in.data, c->in.len) < 0)
		return -1;
	buf_consume(&c->in, c->in.len);
	c->input_taken = true;
	return c->fd;
}

static void give_input(struct request_peer *p, struct buf *rest, bool ok)
{
	struct client *c = container_of(p, struct client, peer);

	c->input_taken = false;
	if (!ok || buf_append(&c->in, rest->data, rest->len) < 0)
		c->closing = true;
	loop_timer_set(&c->server->runner->loop, &c->more, 0);
}

/* Hand out complete lines, a batch at most. */
static void take_lines(struct client *c)
{
	struct runner *r = c->server->runner;
	struct err err = ERR_INIT;
	const char *line, *end;
	unsigned int n;
	size_t len;

	for (n = 0; may_take(c) && n < LINES_BATCH; n++) {
		line = (const char *)c->in.data + c->pos;
		len = c->in.len - c->pos;
		end = len ? memchr(line, '\n', len) : NULL;
		if (!end && len <= JSONRPC_LINE_MAX)
			break;
		if (!end)
			end = line + len;	/* too long: refused below */
		c->pos = MIN(c->in.len,
			     (size_t)(end + 1 - (const char *)c->in.data));
		if (request_line(r, &c->peer, line, (size_t)(end - line),
				 &err) < 0) {
			log_warn_limited(&c->server->log_limit,
					 "client dropped: %s", err.msg);
			c->closing = true;
		}
	}
	if (n == LINES_BATCH)
		loop_timer_set(&r->loop, &c->more, 0);
	buf_consume(&c->in, c->pos);
	c->pos = 0;
}

/* What the state asks for. Frees the client when it is done with. */
static void settle(struct client *c)
{
	if (client_flush(c) < 0)
		goto drop;
	take_lines(c);	/* replies are flushed from the timer they set */
	if (c->dead)
		goto drop;
	if (c->closing && !has_output(c))
		goto drop;
	if (c->eof && !c->peer.nr_requests && !has_output(c) &&
	    !c->more.deadline)
		goto drop;
	update(c);
	return;
drop:
	client_free(c);
}

static void read_input(struct client *c)
{
	ssize_t n = buf_read(&c->in, c->fd, READ_CHUNK);

	if (n > 0)
		return;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		c->dead = true;
	c->eof = true;
}

static void client_event(struct loop_watch *w, uint32_t events)
{
	struct client *c = container_of(w, struct client, watch);
	bool was_eof = c->eof;

	/* with bytes left to read the hang-up is met again */
	if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
		c->dead = true;
	else if (events & EPOLLIN)
		read_input(c);
	if (c->eof && (events & EPOLLHUP))
		c->dead = true;
	else if (c->eof && !was_eof)
		request_peer_eof(&c->peer);
	settle(c);
}

static void more_cb(struct loop_timer *t)
{
	settle(container_of(t, struct client, more));
}

static void stall_cb(struct loop_timer *t)
{
	struct client *c = container_of(t, struct client, stall);

	log_warn_limited(&c->server->log_limit,
			 "client: output stalled, dropped");
	client_free(c);
}

void client_new(struct server *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->watch.cb = client_event;
	c->more.cb = more_cb;
	c->stall.cb = stall_cb;
	c->last_fd = -1;
	c->in.max = JSONRPC_LINE_MAX + 2 * READ_CHUNK;
	c->out.max = OUT_MAX + 2 * JSONRPC_LINE_MAX;
	LIST_INIT(&c->peer.requests);
	c->peer.send = send_line;
	c->peer.take_input = take_input;
	c->peer.give_input = give_input;
	if (loop_add(&s->runner->loop, &c->watch, fd, EPOLLIN) < 0) {
		close(fd);
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->nr_clients++;
}

void client_free(struct client *c)
{
	struct loop *l = &c->server->runner->loop;

	c->dead = true;
	loop_timer_cancel(l, &c->stall);
	loop_timer_cancel(l, &c->more);
	loop_del(l, &c->watch);
	request_peer_gone(&c->peer);
	LIST_REMOVE(c, link);
	c->server->nr_clients--;
	close(c->fd);
	if (c->last_fd >= 0)
		close(c->last_fd);
	buf_free(&c->in);
	buf_free(&c->out);
	buf_free(&c->last);
	free(c);
}
