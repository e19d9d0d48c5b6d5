/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/exitrec.c - the exit record: why this VMM ended by itself
 *
 * Runs in podflare-vmm on the main thread, at its end; the crash handler on
 * whichever thread crashes.
 */
#include "runner/vmm/exitrec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"

void exitrec_fill(struct ctl_exit *x, enum ctl_exit_reason reason,
		  const char *detail)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	*x = (struct ctl_exit){
		.magic = CTL_MAGIC,
		.reason = reason,
		.time_ns = (uint64_t)ts.tv_sec * 1000000000ULL +
			   (uint64_t)ts.tv_nsec,
	};
	snprintf(x->detail, sizeof(x->detail), "%s", detail);
}

int exitrec_write(int fd, const struct ctl_exit *x)
{
	ssize_t n;

	if (fd < 0)
		return 0;
	n = TEMP_FAILURE_RETRY(pwrite(fd, x, sizeof(*x), 0));
	if (n == (ssize_t)sizeof(*x))
		return 0;
	if (n >= 0)
		errno = ENOSPC;
	return -1;
}

/* The one variable of this program that is not in a struct: a signal handler has
 * nothing else to look at. */
static int crash_fd = -1;

/* Async-signal-safe calls only. SA_RESETHAND: raised again, the signal does what
 * it does by default, as soon as this returns. */
static void on_crash(int sig)
{
	struct ctl_exit x = { .magic = CTL_MAGIC, .reason = CTL_EXIT_BUG };
	const char text[] = "crashed by signal __; the VMM's own log says more";
	struct timespec ts;
	char *digits;

	clock_gettime(CLOCK_REALTIME, &ts);
	x.time_ns = (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	memcpy(x.detail, text, sizeof(text));
	digits = memchr(x.detail, '_', sizeof(text));
	digits[0] = (char)('0' + sig / 10);
	digits[1] = (char)('0' + sig % 10);
	if (pwrite(crash_fd, &x, sizeof(x), 0) < 0)
		x.magic = 0;	/* nowhere to say so */
	raise(sig);
}

int exitrec_watch_crash(int fd)
{
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL,
				       SIGFPE };
	struct sigaction sa = {
		.sa_handler = on_crash, .sa_flags = SA_RESETHAND,
	};

	crash_fd = fd;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], &sa, NULL) < 0)
			return -1;
	return 0;
}

const char *exitrec_reason(enum ctl_exit_reason reason)
{
	switch (reason) {
	case CTL_EXIT_NONE:
		return "running";
	case CTL_EXIT_POWEROFF:
		return "powered off";
	case CTL_EXIT_RESET:
		return "reset";
	case CTL_EXIT_SHUTDOWN:
		return "crashed";
	case CTL_EXIT_KVM:
		return "KVM failed";
	case CTL_EXIT_QUIT:
		return "asked to quit";
	case CTL_EXIT_SETUP:
		return "could not be set up";
	case CTL_EXIT_BUG:
		return "bug";
	}
	return "unknown";
}
