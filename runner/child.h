/* SPDX-License-Identifier: MIT */
/* runner/child.h - a helper program with a deadline (mke2fs) */
#ifndef PODFLARE_RUNNER_CHILD_H
#define PODFLARE_RUNNER_CHILD_H

#include "common/loop.h"

struct child;

/* @err NULL: it exited with 0. Else what went wrong, with the last line that it
 * wrote to stderr. The child is freed after the call. */
typedef void (*child_cb)(void *arg, const struct err *err);

/* Start @argv with stdin and stdout from /dev/null. It dies with the runner and
 * is killed after @timeout_ms. Return: NULL with @err. */
struct child *child_start(struct loop *l, const char *const *argv,
			  unsigned int timeout_ms, child_cb cb, void *arg,
			  struct err *err);
/* Kill it; the callback is not called. */
void child_cancel(struct child *c);

#endif
