/* SPDX-License-Identifier: MIT */
/*
 * cli/term.c - the user's terminal
 *
 * Runs in the CLI.  The saved state is static because signal handlers and
 * atexit(3) need it: there is one controlling terminal in a process.
 */
#include "cli/term.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static volatile sig_atomic_t raw_fd = -1;

/* See term.h. */
int term_size(int fd, unsigned int *rows, unsigned int *cols)
{
	struct winsize ws;

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return -1;
	*rows = ws.ws_row;
	*cols = ws.ws_col;
	return 0;
}

/* See term.h. */
size_t term_columns(int fd)
{
	const char *env = getenv("COLUMNS");
	unsigned int rows, cols;

	if (!isatty(fd))
		return 0;
	if (env && atoi(env) > 0)
		return (size_t)atoi(env);
	return term_size(fd, &rows, &cols) < 0 || !cols ? 80 : cols;
}

/* See term.h. */
void term_restore(void)
{
	int fd = raw_fd;

	if (fd < 0)
		return;
	raw_fd = -1;
	tcsetattr(fd, TCSADRAIN, &saved);
}

static void on_fatal_signal(int sig)
{
	term_restore();
	/* SA_RESETHAND put the default action back */
	raise(sig);
}

static void catch_fatal_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
				       SIGABRT, SIGHUP, SIGINT, SIGQUIT,
				       SIGTERM, SIGPIPE };
	struct sigaction sa = { .sa_handler = on_fatal_signal,
				.sa_flags = SA_RESETHAND };
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) &&
		    old.sa_handler == SIG_DFL)
			sigaction(signals[i], &sa, NULL);
}

/* See term.h. */
int term_raw(int fd, struct err *err)
{
	static bool registered;
	struct termios t;

	if (raw_fd < 0 && tcgetattr(fd, &saved) < 0)
		return err_sys(err, errno, "terminal");
	if (!registered) {
		atexit(term_restore);
		catch_fatal_signals();
		registered = true;
	}
	t = saved;
	cfmakeraw(&t);
	raw_fd = fd;
	if (tcsetattr(fd, TCSADRAIN, &t) < 0)
		return err_sys(err, errno, "terminal");
	return 0;
}
