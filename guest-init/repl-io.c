/* SPDX-License-Identifier: MIT */
/*
 * guest-init/repl-io.c - an interpreter's bytes: its output, a call's input
 *
 * Pid 1, non-blocking.  Output is bounded by not reading it while the connection
 * of the call is full, and by the backlog between calls; input by the window.
 */
#include "guest-init/repl-parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/agent.h"
#include "guest-init/sink.h"

#define DRAIN_MAX (1 * MIB)	/* the user's code may have enlarged the pipe */

/* To whom it belongs; a copy's output is kept, a lost client's is not. */
static void pass_on(struct repl *r, uint8_t type, const void *data, size_t len)
{
	struct repl_call *c = repl_current(r);

	if (c && c->dropped)
		return;
	if (c && c->conn && c->ending && conn_full(c->conn))
		return;
	if (c && c->conn)
		conn_send(c->conn, type, data, len);
	/* this may be how we come to know that the transport was reset */
	if (!c || !c->conn || c->conn->reset)
		backlog_put(&r->backlog, type, data, len);
}

static void pipe_close(struct repl_pipe *p)
{
	loop_del(&p->repl->agent->loop, &p->watch);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* Return: bytes passed on, 0: there is nothing now, or no more. */
static size_t pipe_read(struct repl_pipe *p, size_t most)
{
	static uint8_t bytes[FRAME_DATA_MAX];
	ssize_t n;

	if (p->fd < 0)
		return 0;
	n = TEMP_FAILURE_RETRY(read(p->fd, bytes, MIN(most, sizeof(bytes))));
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		pipe_close(p);
		return 0;
	}
	pass_on(p->repl, p->type, bytes, (size_t)n);
	return (size_t)n;
}

static void on_output(struct loop_watch *w, uint32_t events)
{
	struct repl_pipe *p = container_of(w, struct repl_pipe, watch);

	pipe_read(p, FRAME_DATA_MAX);
	repl_io_flow(p->repl);
}

static void pipe_flow(struct repl_pipe *p)
{
	struct repl *r = p->repl;
	struct repl_call *c = repl_current(r);
	bool want = p->fd >= 0 && !(c && c->conn && !c->ending &&
				    conn_full(c->conn));

	p->watch.cb = on_output;
	if (want && p->watch.fd < 0)
		loop_add(&r->agent->loop, &p->watch, p->fd, EPOLLIN);
	else if (!want)
		loop_del(&r->agent->loop, &p->watch);
}

void repl_io_flow(struct repl *r)
{
	pipe_flow(&r->out);
	pipe_flow(&r->errors);
}

static void pipe_drain(struct repl_pipe *p)
{
	int held = 0;
	size_t left, n;

	if (p->fd < 0 || ioctl(p->fd, FIONREAD, &held) < 0 || held < 0)
		return;
	for (left = MIN((size_t)held, (size_t)DRAIN_MAX); left; left -= n) {
		n = pipe_read(p, left);
		if (n == 0)
			break;
	}
}

void repl_io_drain(struct repl *r)
{
	pipe_drain(&r->out);
	pipe_drain(&r->errors);
}

/* What it left running may still write. */
static void pipe_release(struct repl_pipe *p)
{
	loop_del(&p->repl->agent->loop, &p->watch);
	if (p->fd >= 0)
		sink_add(p->repl->agent, p->fd);
	p->fd = -1;
}

void repl_io_close(struct repl *r)
{
	pipe_release(&r->out);
	pipe_release(&r->errors);
	loop_del(&r->agent->loop, &r->control_watch);
	if (r->control >= 0)
		close(r->control);
	r->control = -1;
	buf_free(&r->queue);
}

static int open_pipe(struct repl_pipe *p, int *theirs)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	p->fd = fds[0];
	*theirs = fds[1];
	return fcntl(p->fd, F_SETFL, O_NONBLOCK);
}

int repl_io_open(struct repl *r, struct spawn *p)
{
	p->fds[0] = p->fds[1] = p->fds[2] = -1;
	p->fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (p->fds[0] < 0 || open_pipe(&r->out, &p->fds[1]) < 0)
		return -1;
	return open_pipe(&r->errors, &p->fds[2]);
}

int repl_input_open(struct repl_call *c)
{
	int fds[2];

	if (!(c->flags & (AGENT_EXEC_STDIN | AGENT_CODE_ASK)))
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	c->stdin_fd = fds[0];
	c->in = fds[1];
	c->input.max = AGENT_STDIN_WINDOW;
	return fcntl(c->in, F_SETFL, O_NONBLOCK);
}

static void close_in(struct repl_call *c)
{
	loop_del(&c->agent->loop, &c->in_watch);
	if (c->in >= 0)
		close(c->in);
	c->in = -1;
	c->consumed += (uint32_t)c->input.len;
	buf_free(&c->input);
}

void repl_input_close(struct repl_call *c)
{
	close_in(c);
	if (c->stdin_fd >= 0)
		close(c->stdin_fd);
	c->stdin_fd = -1;
}

static void grant(struct repl_call *c, uint32_t at_least)
{
	if (!c->conn || !c->consumed || c->consumed < at_least)
		return;
	conn_send(c->conn, AGENT_WINDOW, &c->consumed, sizeof(c->consumed));
	c->window += c->consumed;
	c->consumed = 0;
}

void repl_input_grant(struct repl_call *c)
{
	/* again and again: no more than one window is ever open */
	if (c->in < 0 || c->in_eof)
		return;
	c->consumed = AGENT_STDIN_WINDOW - c->window - (uint32_t)c->input.len;
	grant(c, 0);
}

static void write_input(struct repl_call *c);

static void on_input_room(struct loop_watch *w, uint32_t events)
{
	write_input(container_of(w, struct repl_call, in_watch));
}

static void write_input(struct repl_call *c)
{
	while (c->in >= 0 && c->input.len) {
		ssize_t n = write(c->in, c->input.data, c->input.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			close_in(c);	/* nobody reads: the rest is dropped */
			break;
		}
		buf_consume(&c->input, (size_t)n);
		c->consumed += (uint32_t)n;
	}
	if (c->in_eof && c->input.len == 0)
		close_in(c);
	grant(c, AGENT_STDIN_WINDOW / 4);
	c->in_watch.cb = on_input_room;
	if (c->in >= 0 && c->input.len && c->in_watch.fd < 0)
		loop_add(&c->agent->loop, &c->in_watch, c->in, EPOLLOUT);
	else if (c->in >= 0 && !c->input.len)
		loop_del(&c->agent->loop, &c->in_watch);
}

void repl_input_put(struct repl_call *c, const void *data, size_t len)
{
	c->window -= (uint32_t)len;
	if (c->in < 0)
		c->consumed += (uint32_t)len;
	else if (buf_append(&c->input, data, len) < 0)
		close_in(c);
	write_input(c);
}

void repl_input_eof(struct repl_call *c)
{
	c->in_eof = true;
	write_input(c);
}
