/* SPDX-License-Identifier: MIT */
/*
 * runner/gc.h - what nobody needs any more, in the store and beside it
 *
 * Found on a work thread; what the registry knows is struck out on the loop's; a
 * work thread removes the rest.
 */
#ifndef PODFLARE_RUNNER_GC_H
#define PODFLARE_RUNNER_GC_H

#include <stddef.h>

#include "common/err.h"
#include "runner/names.h"
#include "runner/runner.h"

enum gc_what {
	GC_FOLDER,	/* of a sandbox that is half made, or half removed */
	GC_FILE,	/* that was being written */
	GC_IMAGE,	/* half received, or half removed */
	GC_SOCKET,
};

struct gc_item {
	enum gc_what what;
	int home;		/* where it is; not owned */
	const char *base;	/* that folder's name */
	char name[400];		/* in it */
	char id[SANDBOX_ID_LEN + 1];	/* whose it is; "": nobody's */
	uint64_t bytes;		/* that would be free */
};

struct gc {
	struct places places;	/* a copy: the descriptors live on */
	struct gc_item *items;
	size_t n, cap;
	struct err err;		/* the first that cannot be removed */
};

/* Work thread: all that may be of no use. */
void gc_find(struct gc *g);
/* Work thread: remove the items. */
void gc_remove(struct gc *g);
void gc_free(struct gc *g);
const char *gc_what_name(enum gc_what w);

#endif
