/* SPDX-License-Identifier: MIT */
/*
 * cli/console.c - the serial console as a stream of raw bytes
 *
 * Runs in the CLI; one poll loop.  Distrusts the bytes: they are the guest's,
 * and reach a terminal as they are only when the user attached to it.
 */
#include "cli/console.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/outfd.h"
#include "cli/term.h"
#include "cli/text.h"

#define DETACH_KEY 0x1d	/* Ctrl-] */
#define OUT_HIGH (256 * 1024)

struct console {
	struct stream *s;
	struct sigs *sigs;
	bool keyboard;
	bool stop;
	int code;
	struct outfd out;
	struct buf to_guest;
};

/* See console.h. */
int console_attach(struct globals *g, const char *sandbox, struct stream *s,
		   struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	json_t *params = json_pack("{s:s}", "sandbox", sandbox);

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", sandbox);
	if (client_open(&c, g, err) < 0) {
		json_decref(params);
		return -1;
	}
	return client_stream(&c, "console.attach", params, s, err);
}

static int put_out(struct console *x, const uint8_t *data, size_t len,
		   struct err *err)
{
	if (x->keyboard) {
		if (buf_append(&x->out.pending, data, len) < 0)
			return err_sys(err, errno, "output");
		return 0;
	}
	text_write(stdout, (const char *)data, len, TEXT_MANY_LINES);
	if (fflush(stdout) == EOF) {
		if (errno != EPIPE)
			return err_sys(err, errno, "standard output");
		x->stop = true;
		x->code = CMD_EXIT_PIPE;
	}
	return 0;
}

static int on_stream(struct console *x, struct err *err)
{
	uint8_t data[16384];
	ssize_t n = recv(x->s->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return err_sys(err, errno, "console");
	if (n <= 0) {
		x->stop = true;
		return 0;
	}
	return put_out(x, data, (size_t)n, err);
}

static int on_keyboard(struct console *x, struct err *err)
{
	uint8_t data[4096], *key;
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		x->stop = true;
		return 0;
	}
	key = memchr(data, DETACH_KEY, (size_t)n);
	if (key) {
		x->stop = true;
		n = key - data;
	}
	if (buf_append(&x->to_guest, data, (size_t)n) < 0)
		return err_sys(err, errno, "input");
	return 0;
}

static int on_signals(struct console *x, struct err *err)
{
	int sig;

	while ((sig = sigs_read(x->sigs)) != 0) {
		if (sig == SIGCONT && x->keyboard && isatty(STDIN_FILENO) &&
		    term_raw(STDIN_FILENO, err) < 0)
			return -1;
		if (sig != SIGCONT && sig != SIGWINCH) {
			x->stop = true;
			x->code = CMD_EXIT_SIGNAL + sig;
		}
	}
	return 0;
}

static int flush(struct console *x, struct err *err)
{
	ssize_t n = 0;

	if (outfd_flush(&x->out) < 0) {
		if (errno != EPIPE)
			return err_sys(err, errno, "standard output");
		x->stop = true;
		x->code = CMD_EXIT_PIPE;
	}
	if (x->to_guest.len)
		n = send(x->s->fd, x->to_guest.data, x->to_guest.len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		buf_consume(&x->to_guest, (size_t)n);
	return 0;
}

static int loop(struct console *x, struct err *err)
{
	while (flush(x, err) == 0) {
		struct pollfd p[4] = {
			{ .fd = x->s->fd },
			{ .fd = x->sigs->fd, .events = POLLIN },
			{ .fd = -1, .events = POLLIN },
			{ .fd = x->out.fd },
		};

		if (x->stop)
			return x->code;
		if (x->out.pending.len < OUT_HIGH)
			p[0].events |= POLLIN;
		if (x->to_guest.len)
			p[0].events |= POLLOUT;
		else if (x->keyboard)
			p[2].fd = STDIN_FILENO;
		if (x->out.pending.len)
			p[3].events = POLLOUT;
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		if ((p[1].revents && on_signals(x, err) < 0) ||
		    (p[0].revents & ~POLLOUT && on_stream(x, err) < 0) ||
		    (p[2].revents && on_keyboard(x, err) < 0))
			return -1;
		/* its reader left: nothing may come for a long time */
		if (p[3].revents & POLLERR) {
			x->stop = true;
			x->code = CMD_EXIT_PIPE;
		}
	}
	return -1;
}

/* See console.h. */
int console_copy(struct stream *s, struct sigs *sigs, bool keyboard,
		 struct err *err)
{
	struct console x = { .s = s, .sigs = sigs, .keyboard = keyboard };
	int rc = 0;

	fflush(stdout);
	outfd_open(&x.out, STDOUT_FILENO);
	if (keyboard && isatty(STDIN_FILENO))
		rc = term_raw(STDIN_FILENO, err);
	if (rc == 0)
		rc = put_out(&x, s->in.buf.data, s->in.buf.len, err);
	if (rc == 0)
		rc = loop(&x, err);
	term_restore();
	outfd_close(&x.out);
	buf_free(&x.to_guest);
	return rc;
}
