/* SPDX-License-Identifier: MIT */
/* runner/freeze.h - a running sandbox's memory to disk, and its process away */
#ifndef PODFLARE_RUNNER_FREEZE_H
#define PODFLARE_RUNNER_FREEZE_H

#include "runner/sandbox.h"

/* @err NULL: it is frozen. Else it runs as before, or has ended by itself. */
typedef void (*freeze_cb)(void *arg, const struct err *err);

/* Begin. Whoever wants to use it meanwhile waits, and thaws it in the end.
 * @idle: for the log. Return: 0, or -1 with @err. */
int freeze_start(struct sandbox *sb, bool idle, freeze_cb cb, void *arg,
		 struct err *err);

#endif
