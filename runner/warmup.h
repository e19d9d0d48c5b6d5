/* SPDX-License-Identifier: MIT */
/* runner/warmup.h - run an image's warm-up commands in a fresh guest */
#ifndef PODFLARE_RUNNER_WARMUP_H
#define PODFLARE_RUNNER_WARMUP_H

#include "runner/sandbox.h"

struct warmup;

/* Run them one after the other. What fails is logged and passed over: a warm-up
 * makes things faster, and no more. @done: all have been run; the warm-up is
 * freed. @sb runs. Return: NULL when there is nothing to run. */
struct warmup *warmup_start(struct sandbox *sb, void (*done)(void *arg),
			    void *arg);
/* Run just what is run first in every guest. */
struct warmup *warmup_touch(struct sandbox *sb, void (*done)(void *arg),
			    void *arg);
/* Forget it: done() is not called. */
void warmup_cancel(struct warmup *w);

#endif
