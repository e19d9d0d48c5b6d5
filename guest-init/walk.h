/* SPDX-License-Identifier: MIT */
/*
 * guest-init/walk.h - through all that differs from the image
 *
 * Theory of operation: depth first, the names of each folder sorted.  Sorted by
 * path as bytes, what is below "a" comes behind "a-b", since '-' is before '/':
 * so a folder that was passed is put off until the next name is behind it.
 * Those that are put off at a time begin with one another: a stack of them.
 *
 * One folder's names are in memory, and those of the folders that it is in.
 */
#ifndef PODFLARE_GUEST_WALK_H
#define PODFLARE_GUEST_WALK_H

#include "common/buf.h"
#include "guest-init/filter.h"
#include "guest-init/layers.h"
#include "guest-init/mounts.h"

struct walk {
	const struct layers *layers;
	const struct filter *filter;
	const struct mounts *mounts;
	bool all;		/* of the whole root: nothing is compared */
	/* Called for each path that may differ. Return: 0, or -1 to stop. */
	int (*visit)(struct walk *w, const struct layer_dir *d, const char *name,
		     const struct layer_entry *e, struct err *err);
	struct buf path;	/* of the entry that is visited, absolute */
	size_t budget;		/* bytes of names that may still be held */
};

/* Return: 0, or -1 with @err. */
int walk_root(struct walk *w, struct filter_range range, struct err *err);

#endif
