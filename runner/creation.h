/* SPDX-License-Identifier: MIT */
/*
 * runner/creation.h - from a registered sandbox to one that runs and is saved
 *
 * A copy of its image's template, which is made first where there is none; or
 * booted by itself where the host allows no templates; or a copy of a snapshot.
 */
#ifndef PODFLARE_RUNNER_CREATION_H
#define PODFLARE_RUNNER_CREATION_H

#include "runner/sandbox.h"

struct creation;

struct creation_ops {
	/* A step begins. */
	void (*progress)(void *arg, const char *step, const char *text);
	/* @err NULL: it runs and its meta.json is on disk. Else it is the
	 * caller's to remove; ERR_UNAVAILABLE: what it was to be a copy of has
	 * ended, which is no reason not to try again. @console: the console's tail or NULL, the
	 * callee's. The creation is freed after it. */
	void (*done)(void *arg, const struct err *err, json_t *console);
};

/* @sb is in state CREATING and has no folder yet. @snapshot NULL: from its
 * image. Return: NULL with @err, then done() is not called. */
struct creation *creation_start(struct sandbox *sb, struct sandbox *snapshot,
				const struct creation_ops *ops, void *arg,
				struct err *err);
/* Forget it: done() is not called, @sb is the caller's to remove. */
void creation_cancel(struct creation *c);

#endif
