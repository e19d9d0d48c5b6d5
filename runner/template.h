/* SPDX-License-Identifier: MIT */
/*
 * runner/template.h - images that are booted and warm, kept in memory
 *
 * A template belongs to an image's digest and the sizes of a machine.  The first
 * sandbox that wants one has it made: booted, warmed up, captured as a copy that
 * is held; later ones are forks of it.  It survives its process, and the host, in
 * files.
 */
#ifndef PODFLARE_RUNNER_TEMPLATE_H
#define PODFLARE_RUNNER_TEMPLATE_H

#include "runner/template-find.h"

struct template_wait;

struct template_ops {
	/* A step of the making begins; may be NULL. */
	void (*progress)(void *arg, const char *step, const char *text);
	/* @err NULL: @t is the template, SB_HELD; @how, @steps: how it came to
	 * be there, as of a sandbox's origin. Else @console: the console's last lines or NULL, the callee's. Never
	 * called from template_make(). The wait is freed. */
	void (*done)(void *arg, struct sandbox *t, const char *how,
		     json_t *steps, const struct err *err, json_t *console);
};

/* Make it, or wait for who makes it already. Return: NULL with @err. */
struct template_wait *template_make(struct sandbox *sb,
				    const struct template_ops *ops, void *arg,
				    struct err *err);
/* Do not wait any more; done() is not called. */
void template_cancel(struct template_wait *w);
/* Remove the templates of an image that goes. */
void template_drop_image(struct runner *r, const char *digest);
/* Remove those that are of no use any more; see that the others have files. */
void template_sweep(struct runner *r);
/* At the end: forget what is being made. */
void template_let_go(struct runner *r);

/* Whether it can be copied, or could be. */
bool template_is_of_use(struct sandbox *t);

#endif
