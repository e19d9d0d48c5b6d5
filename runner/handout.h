/* SPDX-License-Identifier: MIT */
/* runner/handout.h - a member of the pool becomes somebody's sandbox */
#ifndef PODFLARE_RUNNER_HANDOUT_H
#define PODFLARE_RUNNER_HANDOUT_H

#include "runner/sandbox.h"

struct handout;

/* @err NULL: it runs, is saved, and its state is still CREATING. Freed. */
typedef void (*handout_cb)(void *arg, const struct err *err);

/* Let @sb go on, which has taken a member over (pool_take()). Return: NULL with
 * @err. */
struct handout *handout_start(struct sandbox *sb, handout_cb cb, void *arg,
			      struct err *err);
/* Forget it: the callback is not called. */
void handout_cancel(struct handout *h);

#endif
