/* SPDX-License-Identifier: MIT */
/*
 * guest-init/session-io.c - a session's bytes: pipes or a pty
 *
 * Pid 1, non-blocking.  Output is bounded by not reading it while the
 * connection is full; input by the window.  Commands are the guest's own: what
 * they write is passed on unread.
 */
#include "guest-init/session.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "common/agent.h"
#include "guest-init/pty.h"
#include "guest-init/sink.h"

/* What a tty may still hold when its command has ended. */
#define TTY_HOLDS (128 * 1024)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void channel_close(struct channel *ch)
{
	loop_del(&ch->session->agent->loop, &ch->watch);
	close_fd(&ch->fd);
	ch->drained = true;
}

/* Return: bytes passed on; 0 when there is nothing now, or no more. */
static size_t channel_read(struct channel *ch)
{
	static uint8_t bytes[FRAME_DATA_MAX];
	struct session *s = ch->session;
	ssize_t n;

	if (ch->fd < 0)
		return 0;
	n = TEMP_FAILURE_RETRY(read(ch->fd, bytes, sizeof(bytes)));
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		channel_close(ch);
		return 0;
	}
	if (s->conn)
		conn_send(s->conn, ch->type, bytes, (size_t)n);
	/* this may be how we come to know that the transport was reset */
	if ((s->flags & AGENT_EXEC_KEEP) || (s->conn && s->conn->reset))
		backlog_put(&s->backlog, ch->type, bytes, (size_t)n);
	return (size_t)n;
}

static void on_output(struct loop_watch *w, uint32_t events)
{
	struct channel *ch = container_of(w, struct channel, watch);

	channel_read(ch);
	session_io_flow(ch->session);
}

static void channel_flow(struct channel *ch)
{
	struct session *s = ch->session;
	bool want = ch->fd >= 0 && s->running &&
		    !(s->conn && conn_full(s->conn));

	if (want && ch->watch.fd < 0)
		loop_add(&s->agent->loop, &ch->watch, ch->fd, EPOLLIN);
	else if (!want)
		loop_del(&s->agent->loop, &ch->watch);
}

void session_io_flow(struct session *s)
{
	bool want = s->in >= 0 && s->input.len > 0;

	channel_flow(&s->out);
	channel_flow(&s->errors);
	if (want && s->in_watch.fd < 0)
		loop_add(&s->agent->loop, &s->in_watch, s->in, EPOLLOUT);
	else if (!want)
		loop_del(&s->agent->loop, &s->in_watch);
}

/* All that a pipe can hold, and no more: a daemon may write for ever. */
static void channel_drain(struct channel *ch, size_t holds)
{
	struct session *s = ch->session;

	while (!ch->drained && !(s->conn && conn_full(s->conn))) {
		size_t n = channel_read(ch);

		ch->after_exit += n;
		if (n == 0 || ch->after_exit >= holds)
			ch->drained = true;
	}
}

static size_t holds(const struct channel *ch)
{
	int size = ch->fd < 0 ? -1 : fcntl(ch->fd, F_GETPIPE_SZ);

	return size < 0 ? TTY_HOLDS : (size_t)size;
}

void session_io_drain(struct session *s)
{
	channel_drain(&s->out, holds(&s->out));
	channel_drain(&s->errors, holds(&s->errors));
	if (s->out.drained && s->errors.drained)
		session_finish(s);
}

/* Daemons may hold the other end: see sink.h. A terminal just hangs up. */
static void channel_release(struct channel *ch, bool tty)
{
	loop_del(&ch->session->agent->loop, &ch->watch);
	if (ch->fd >= 0 && !tty)
		sink_add(ch->session->agent, ch->fd);
	else
		close_fd(&ch->fd);
	ch->fd = -1;
}

static void close_input(struct session *s)
{
	loop_del(&s->agent->loop, &s->in_watch);
	close_fd(&s->in);
	s->consumed += (uint32_t)s->input.len;
	buf_free(&s->input);
}

void session_io_close(struct session *s)
{
	bool tty = s->flags & AGENT_EXEC_TTY;

	close_input(s);
	channel_release(&s->out, tty);
	channel_release(&s->errors, tty);
	close_fd(&s->slave);
}

static void grant(struct session *s, uint32_t at_least)
{
	if (!s->conn || s->consumed < at_least || s->consumed == 0)
		return;
	conn_send(s->conn, AGENT_WINDOW, &s->consumed, sizeof(s->consumed));
	s->window += s->consumed;
	s->consumed = 0;
}

void session_io_grant(struct session *s)
{
	if (!(s->flags & AGENT_EXEC_STDIN) || s->in_eof)
		return;
	s->window = 0;
	s->consumed = AGENT_STDIN_WINDOW - (uint32_t)s->input.len;
	grant(s, 0);
}

/* A terminal has no end of file but the character for it; behind a part of a
 * line, the first only ends that part. */
static void finish_input(struct session *s)
{
	struct termios tio;

	if (!(s->flags & AGENT_EXEC_TTY)) {
		close_input(s);
		return;
	}
	if (s->in >= 0 && tcgetattr(s->in, &tio) == 0) {
		const cc_t eof[2] = { tio.c_cc[VEOF], tio.c_cc[VEOF] };
		size_t n = s->in_last && s->in_last != '\n' ? 2 : 1;

		if (write(s->in, eof, n) < 0)
			return;	/* full: nobody reads it */
	}
}

static void write_input(struct session *s)
{
	while (s->in >= 0 && s->input.len) {
		ssize_t n = write(s->in, s->input.data, s->input.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			close_input(s);	/* nobody reads: the rest is dropped */
			break;
		}
		s->in_last = s->input.data[n - 1];
		buf_consume(&s->input, (size_t)n);
		s->consumed += (uint32_t)n;
	}
	if (s->in_eof && s->input.len == 0)
		finish_input(s);
	grant(s, AGENT_STDIN_WINDOW / 4);
	session_io_flow(s);
}

static void on_input_room(struct loop_watch *w, uint32_t events)
{
	write_input(container_of(w, struct session, in_watch));
}

void session_io_input(struct session *s, const void *data, size_t len)
{
	s->window -= (uint32_t)len;
	if (s->in < 0)
		s->consumed += (uint32_t)len;
	else if (buf_append(&s->input, data, len) < 0)
		close_input(s);
	write_input(s);
}

void session_io_eof(struct session *s)
{
	if (s->in_eof)
		return;
	s->in_eof = true;
	if (s->input.len == 0)
		finish_input(s);
}

static int open_pipe(int *ours, int *theirs, bool we_read)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	*ours = fds[we_read ? 0 : 1];
	*theirs = fds[we_read ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static int open_tty(struct session *s, struct spawn *p, uint32_t rows,
		    uint32_t cols)
{
	struct pty pty;

	if (pty_open(&pty, rows, cols) < 0)
		return -1;
	s->out.fd = pty.master;
	s->slave = pty.slave;
	p->fds[0] = pty.slave;
	p->tty = true;
	/* a descriptor of its own, so that it can be watched by itself */
	s->in = fcntl(pty.master, F_DUPFD_CLOEXEC, 3);
	return s->in < 0 ? -1 : 0;
}

int session_io_open(struct session *s, struct spawn *p, uint32_t rows,
		    uint32_t cols)
{
	s->out = (struct channel){ { -1, on_output }, s, -1, AGENT_STDOUT };
	s->errors = (struct channel){ { -1, on_output }, s, -1, AGENT_STDERR };
	s->in_watch = (struct loop_watch){ -1, on_input_room };
	s->in = s->slave = -1;
	s->input.max = AGENT_STDIN_WINDOW;
	p->fds[0] = p->fds[1] = p->fds[2] = -1;
	p->tty = false;
	if (s->flags & AGENT_EXEC_TTY)
		return open_tty(s, p, rows, cols);
	if (s->flags & AGENT_EXEC_STDIN) {
		if (open_pipe(&s->in, &p->fds[0], false) < 0)
			return -1;
	} else {
		p->fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (p->fds[0] < 0)
			return -1;
	}
	if (open_pipe(&s->out.fd, &p->fds[1], true) < 0)
		return -1;
	return open_pipe(&s->errors.fd, &p->fds[2], true);
}

void session_io_started(struct session *s, struct spawn *p)
{
	if (p->tty)
		return;	/* the slave stays open */
	for (int i = 0; i < 3; i++)
		close_fd(&p->fds[i]);
}
