/* SPDX-License-Identifier: MIT */
/*
 * common/util.c - broken invariants, sizes of files
 *
 * Any process, any thread.
 */
#include "common/util.h"

#include <stdio.h>
#include <unistd.h>

#include "common/log.h"

int util_file_size(int fd, uint64_t *size)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 0)
		return -1;
	*size = (uint64_t)end;
	return 0;
}

/* Log the broken invariant and abort(3) this process. @file, @line, @why come
 * from BUG(). */
void bug_abort(const char *file, int line, const char *why)
{
	log_error("bug: %s:%d: %s", file, line, why);
	abort();
}
