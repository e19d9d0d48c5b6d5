/* SPDX-License-Identifier: MIT */
/* runner/copies.h - the sandboxes that a fork is to make, before it does */
#ifndef PODFLARE_RUNNER_COPIES_H
#define PODFLARE_RUNNER_COPIES_H

#include "runner/sandbox.h"

struct copies {
	struct sandbox *point;	/* references */
	struct sandbox **children;
	unsigned int n;
};

/* Register a copy of @from in state CREATING. @name NULL: its id. Return: not a
 * reference; NULL with @err. */
struct sandbox *copies_register(struct sandbox *from, enum sandbox_kind kind,
				const char *name, struct err *err);
/* Register a point and children of @parent as sandbox.fork's @params want them.
 * Return: 0, or -1 with @err and nothing registered. */
int copies_make(struct copies *c, struct sandbox *parent, const json_t *params,
		unsigned int n, struct err *err);
/* Take out again what was not handed over to a fork. */
void copies_unregister(struct copies *c);
void copies_free(struct copies *c);

#endif
