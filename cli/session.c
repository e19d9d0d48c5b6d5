/* SPDX-License-Identifier: MIT */
/*
 * cli/session.c - a running command, joined to our stdin, stdout and signals
 *
 * Runs in the CLI; one poll loop.  Distrusts the stream: it is the guest's.
 * Frames are bounded, unknown ones end it, and of its texts only the command's
 * own output goes out as it is.
 *
 * Theory of operation: nothing blocks but poll(2).  The stream is read only
 * while little output waits, so a slow reader holds the guest back; stdin is
 * read only as far as the guest's window goes; so signals always get through.
 */
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/display.h"
#include "cli/outfd.h"
#include "cli/output.h"
#include "cli/session-frame.h"
#include "cli/term.h"
#include "common/agent.h"
#include "common/loop.h"

#define OUT_HIGH (256 * 1024)	/* waiting output that stops the reading */
#define DETACH_NS 2000000000ULL	/* a later signal does not ask again */
#define HANGUP_NS 5000000000ULL	/* what SIGHUP leaves the command */

enum { P_STREAM, P_SIGS, P_STDIN, P_STDOUT, P_STDERR, P_COUNT };

struct session {
	struct stream *s;
	const struct session_opts *o;
	struct session_end *end;
	struct buf to_guest;	/* whole frames */
	struct outfd out[2];	/* stdout, stderr */
	bool stdin_open;
	uint64_t window;	/* bytes of STDIN the guest takes */
	bool started;
	bool more;		/* frames may be left in the reader */
	bool ended;		/* EXIT came */
	bool stop;		/* close the stream, end->code is set */
	uint64_t first_signal_ns;
	uint64_t deadline_ns;	/* 0: none */
};

static int put(struct session *x, uint8_t type, const void *data, size_t len,
	       struct err *err)
{
	if (frame_put(&x->to_guest, type, data, len) < 0)
		return err_sys(err, errno, "stream");
	return 0;
}

static int send_winsize(struct session *x, struct err *err)
{
	unsigned int rows, cols;
	uint16_t size[2];

	if (!x->o->tty || term_size(STDIN_FILENO, &rows, &cols) < 0)
		return 0;
	size[0] = (uint16_t)rows;
	size[1] = (uint16_t)cols;
	return put(x, AGENT_WINSIZE, size, sizeof(size), err);
}

/* A signal for the command; one that comes after the command had 2 s to obey
 * the first ends the stream, and so the command. */
static int pass_signal(struct session *x, int sig, struct err *err)
{
	uint32_t number = (uint32_t)sig;
	uint64_t now = now_ns();

	if (!x->started || x->o->tty ||
	    (x->first_signal_ns && now - x->first_signal_ns > DETACH_NS)) {
		x->stop = true;
		x->end->code = CMD_EXIT_SIGNAL + sig;
		return 0;
	}
	if (!x->first_signal_ns)
		x->first_signal_ns = now;
	if (sig == SIGHUP)
		x->deadline_ns = now + HANGUP_NS;
	return put(x, AGENT_SIGNAL, &number, sizeof(number), err);
}

static int on_signals(struct session *x, struct err *err)
{
	int sig;

	while ((sig = sigs_read(x->o->sigs)) != 0) {
		int rc = 0;

		if (sig == SIGCONT && x->o->tty && isatty(STDIN_FILENO))
			rc = term_raw(STDIN_FILENO, err);
		if (sig == SIGCONT || sig == SIGWINCH)
			rc = rc ? rc : send_winsize(x, err);
		else
			rc = pass_signal(x, sig, err);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int on_stdin(struct session *x, struct err *err)
{
	static uint8_t data[FRAME_DATA_MAX];
	ssize_t n = read(STDIN_FILENO, data, MIN(x->window, sizeof(data)));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		/* a terminal that is gone reads as EIO: no more input */
		x->stdin_open = false;
		return put(x, AGENT_STDIN_EOF, NULL, 0, err);
	}
	x->window -= (uint64_t)n;
	return put(x, AGENT_STDIN, data, (size_t)n, err);
}

static int on_started(struct session *x, const struct frame *f, struct err *err)
{
	if (x->started || frame_started(f, &x->end->session,
					 &x->end->fresh) < 0)
		return err_set(err, ERR_PROTOCOL,
			       "the sandbox's agent: a bad STARTED");
	x->started = true;
	x->stop = x->o->detach;
	return 0;
}

static int on_output(struct session *x, const struct frame *f, struct err *err)
{
	int i = f->type == AGENT_STDERR;
	struct buf *b = x->o->capture ? &x->o->capture[i] : &x->out[i].pending;

	if (buf_append(b, f->data, f->len) == 0)
		return 0;
	if (!x->o->capture || errno != ENOBUFS)
		return err_sys(err, errno, "output");
	err_set(err, ERR_LIMIT, "over %zu MiB of output", b->max / (size_t)MIB);
	return err_hint(err, "without --json there is no bound");
}

static int on_frame(struct session *x, const struct frame *f, struct err *err)
{
	uint32_t grant;

	if (f->type == AGENT_ERROR)
		return frame_error(f, err);
	if (!x->started && f->type != AGENT_STARTED)
		return err_set(err, ERR_PROTOCOL, "the sandbox's agent: frame "
			       "%u before the command started", f->type);
	switch (f->type) {
	case AGENT_STARTED:
		return on_started(x, f, err);
	case AGENT_STDOUT:
	case AGENT_STDERR:
		return on_output(x, f, err);
	case AGENT_DISPLAY:
		return x->o->displays ? displays_put(x->o->displays, f, err) : 0;
	case AGENT_WINDOW:
		if (f->len != sizeof(grant))
			break;
		memcpy(&grant, f->data, sizeof(grant));
		x->window = MIN(x->window + grant, UINT32_MAX);
		return 0;
	case AGENT_EXIT:
		if (frame_exit(f, &x->end->code, &x->end->why) < 0)
			break;
		x->ended = true;
		return 0;
	default:
		break;
	}
	return err_set(err, ERR_PROTOCOL, "the sandbox's agent: bad frame %u",
		       f->type);
}

static bool output_waits(const struct session *x)
{
	return x->out[0].pending.len >= OUT_HIGH ||
	       x->out[1].pending.len >= OUT_HIGH;
}

/* Frames that are here already; stops where output waits. */
static int take_frames(struct session *x, struct err *err)
{
	struct frame f;
	int rc;

	while (x->more && !x->ended && !x->stop && !output_waits(x)) {
		rc = frame_next(&x->s->in, &f);
		if (rc < 0)
			return err_set(err, ERR_PROTOCOL,
				       "the sandbox's agent: not a frame");
		if (rc == 0)
			x->more = false;
		else if (on_frame(x, &f, err) < 0)
			return -1;
	}
	return 0;
}

static int on_readable(struct session *x, struct err *err)
{
	ssize_t n = frame_fill(&x->s->in, x->s->fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return err_sys(err, errno, "stream");
	if (n <= 0) {
		err_set(err, ERR_GUEST, "the connection to the command broke");
		return err_hint(err, "`podflare ls` shows the sandbox's state");
	}
	x->more = true;
	return 0;
}

static int on_writable(struct session *x, struct err *err)
{
	ssize_t n = send(x->s->fd, x->to_guest.data, x->to_guest.len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0) {
		buf_consume(&x->to_guest, (size_t)n);
		return 0;
	}
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	if (errno != EPIPE && errno != ECONNRESET)
		return err_sys(err, errno, "stream");
	/* what it said before it went is still to be read */
	buf_consume(&x->to_guest, x->to_guest.len);
	x->stdin_open = false;
	return 0;
}

/* A closed stdout ends all, as SIGPIPE would. */
static int flush_outputs(struct session *x, struct err *err)
{
	for (int i = 0; i < 2; i++) {
		if (outfd_flush(&x->out[i]) == 0)
			continue;
		if (errno != EPIPE)
			return err_sys(err, errno, i ? "standard error"
						     : "standard output");
		if (i == 0) {
			x->stop = true;
			x->end->code = CMD_EXIT_PIPE;
		}
	}
	return 0;
}

static int wait_events(struct session *x, struct pollfd *p, struct err *err)
{
	int timeout = -1;

	for (int i = 0; i < P_COUNT; i++)
		p[i] = (struct pollfd){ .fd = -1 };
	if (!x->ended && !x->more) {
		p[P_STREAM].fd = x->s->fd;
		p[P_STREAM].events = POLLIN;
	}
	if (x->to_guest.len && !x->ended) {
		p[P_STREAM].fd = x->s->fd;
		p[P_STREAM].events |= POLLOUT;
	}
	p[P_SIGS] = (struct pollfd){ x->o->sigs->fd, POLLIN, 0 };
	if (x->stdin_open && x->started && x->window && !x->ended &&
	    x->to_guest.len < FRAME_DATA_MAX)
		p[P_STDIN] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	for (int i = 0; i < 2; i++)
		if (x->out[i].pending.len)
			p[P_STDOUT + i] =
				(struct pollfd){ x->out[i].fd, POLLOUT, 0 };
	if (x->deadline_ns) {
		uint64_t now = now_ns();

		timeout = now >= x->deadline_ns ? 0 :
			(int)((x->deadline_ns - now) / 1000000) + 1;
	}
	if (poll(p, P_COUNT, timeout) < 0 && errno != EINTR)
		return err_sys(err, errno, "poll");
	if (x->deadline_ns && now_ns() >= x->deadline_ns) {
		x->stop = true;
		x->end->code = CMD_EXIT_SIGNAL + SIGHUP;
	}
	return 0;
}

static bool finished(const struct session *x)
{
	return x->stop || (x->ended && !x->out[0].pending.len &&
			   !x->out[1].pending.len);
}

static int loop(struct session *x, struct err *err)
{
	while (take_frames(x, err) == 0 && flush_outputs(x, err) == 0) {
		struct pollfd p[P_COUNT];

		if (finished(x))
			return 0;
		if (x->more && !output_waits(x))
			continue;
		if (wait_events(x, p, err) < 0)
			return -1;
		if (p[P_SIGS].revents && on_signals(x, err) < 0)
			return -1;
		if (p[P_STREAM].revents & POLLOUT && on_writable(x, err) < 0)
			return -1;
		if (p[P_STREAM].revents & (POLLIN | POLLHUP | POLLERR) &&
		    on_readable(x, err) < 0)
			return -1;
		if (p[P_STDIN].revents && on_stdin(x, err) < 0)
			return -1;
	}
	return -1;
}

/* See session.h. */
int session_run(struct stream *s, const struct session_opts *o,
		struct session_end *end, struct err *err)
{
	struct session x = { .s = s, .o = o, .end = end, .more = true,
			     .stdin_open = o->stdin_open };
	int flags = fcntl(s->fd, F_GETFL);
	int rc = 0;

	*end = (struct session_end){ 0 };
	if (o->first) {
		x.to_guest = *o->first;
		*o->first = (struct buf)BUF_INIT;
	}
	fcntl(s->fd, F_SETFL, flags | O_NONBLOCK);
	fflush(stdout);
	outfd_open(&x.out[0], STDOUT_FILENO);
	outfd_open(&x.out[1], STDERR_FILENO);
	if (o->tty && o->stdin_open && isatty(STDIN_FILENO))
		rc = term_raw(STDIN_FILENO, err);
	if (rc == 0)
		rc = loop(&x, err);
	term_restore();
	outfd_close(&x.out[0]);
	outfd_close(&x.out[1]);
	buf_free(&x.to_guest);
	return rc;
}
