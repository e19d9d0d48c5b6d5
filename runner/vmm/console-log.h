/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/console-log.h - the bounded file that keeps the console's output
 */
#ifndef PODFLARE_VMM_CONSOLE_LOG_H
#define PODFLARE_VMM_CONSOLE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define CONSOLE_LOG_MIN 4096	/* bytes; a smaller bound is raised to it */

struct console_log {
	int fd;			/* read-write, not owned; -1: keep nothing */
	uint64_t size;		/* bytes in the file */
	uint64_t max;
};

/* What is in the file already stays, in front. Return: 0, or -1 with @err. */
int console_log_init(struct console_log *l, int fd, uint64_t max,
		     struct err *err);
/* Past the bound the file is cut to its newest half, from a line's beginning
 * on. Return: 0, or -1 with errno: bytes are lost, the file is whole. */
int console_log_append(struct console_log *l, const void *data, size_t n);

#endif
