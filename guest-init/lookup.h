/* SPDX-License-Identifier: MIT */
/*
 * guest-init/lookup.h - from paths to what the halves of the root have there
 *
 * The folders of the last path stay open: paths in order are found quickly.
 * No symbolic link is followed.
 */
#ifndef PODFLARE_GUEST_LOOKUP_H
#define PODFLARE_GUEST_LOOKUP_H

#include "guest-init/layers.h"

#define LOOKUP_PATH_MAX 4096	/* bytes, with the NUL */

struct lookup {
	const struct layers *layers;
	struct layer_dir *dirs;	/* of the root, then each part's */
	size_t depth, room;	/* 0: not even the root is open */
	char path[LOOKUP_PATH_MAX];	/* of the last folder, "" for the root */
};

void lookup_init(struct lookup *l, const struct layers *layers);
void lookup_free(struct lookup *l);
/*
 * @param path absolute, without empty parts, "." and ".."
 * @param dir set to its folder, valid until the next call
 * @param base set to its last part, "." for the root
 * Return: 0 with @e, also when nothing is there; -1 with errno: EINVAL for what
 * is no such path.
 */
int lookup_find(struct lookup *l, const char *path,
		const struct layer_dir **dir, const char **base,
		struct layer_entry *e);

#endif
