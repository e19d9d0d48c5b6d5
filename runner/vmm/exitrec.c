/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/exitrec.c - the exit record: why this VMM ended by itself
 *
 * Runs in podflare-vmm on the main thread, at its end.
 */
#include "runner/vmm/exitrec.h"

#include <errno.h>
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
