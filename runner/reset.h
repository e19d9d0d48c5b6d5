/* SPDX-License-Identifier: MIT */
/* runner/reset.h - a sandbox becomes what a snapshot holds */
#ifndef PODFLARE_RUNNER_RESET_H
#define PODFLARE_RUNNER_RESET_H

#include "runner/sandbox.h"

struct reset;

struct reset_ops {
	/* A step begins. */
	void (*progress)(void *arg, const char *step, const char *text);
	/* @err NULL: @sb has the id and name of the old one, which is gone;
	 * @safety: the snapshot of that, or NULL. Else nothing has changed;
	 * @console: the console's last lines or NULL, the callee's. */
	void (*done)(void *arg, const struct err *err, struct sandbox *sb,
		     struct sandbox *safety, json_t *console);
};

/* Begin. Id, name, variables, labels and idle timeout stay; all else is the
 * snapshot's. @safety: a snapshot is made of it before. Return: NULL with @err,
 * then done() is not called. */
struct reset *reset_start(struct sandbox *sb, struct sandbox *snapshot,
			  bool safety, const struct reset_ops *ops, void *arg,
			  struct err *err);
/* Give up, if it has not happened yet; done() is called all the same. */
void reset_cancel(struct reset *rs);

#endif
