/* SPDX-License-Identifier: MIT */
/*
 * common/util.c - what to do when an invariant of our own is broken
 *
 * Any process, any thread.
 */
#include "common/util.h"

#include <stdio.h>

#include "common/log.h"

/* Log the broken invariant and abort(3) this process. @file, @line, @why come
 * from BUG(). */
void bug_abort(const char *file, int line, const char *why)
{
	log_error("bug: %s:%d: %s", file, line, why);
	abort();
}
