/* SPDX-License-Identifier: MIT */
/*
 * guest-init/layers.h - the two halves of the root, and what overlayfs makes of
 * them
 *
 * Theory of operation: what differs from the image is what the upper half
 * holds, so that is all that has to be looked at.  A folder is seen as three:
 * the one in the upper half, the lower one that overlayfs merges with it, and
 * the one that the image has at the same path.  The last two are the same but
 * below folders that were renamed (trusted.overlay.redirect: the lower one is
 * elsewhere) or made anew (trusted.overlay.opaque: there is no lower one).
 * Whiteouts are character devices 0:0.
 */
#ifndef PODFLARE_GUEST_LAYERS_H
#define PODFLARE_GUEST_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct layers {
	int upper, lower;	/* folders; not owned */
};

struct layer_dir {
	const struct layers *layers;
	int upper, lower, image;	/* -1: none; the last two may be one */
};

struct layer_entry {
	bool now, old;		/* it is there; the image has it */
	bool upper;		/* @now_st is of the upper half */
	struct stat now_st, old_st;
};

/* The root. @param image false: nothing is compared with the image
 * Return: 0, or -1 with errno. */
int layer_root(const struct layers *l, bool image, struct layer_dir *d);
void layer_close(struct layer_dir *d);
/* The folder @name below @d; all of it is -1 when there is none.
 * Return: 0, or -1 with errno when one cannot be opened. */
int layer_enter(const struct layer_dir *d, const char *name,
		struct layer_dir *child);
/* Nothing below it can differ from the image. */
bool layer_is_image(const struct layer_dir *d);
bool layer_is_none(const struct layer_dir *d);
/* @param image false: the image is known to have no such name
 * Return: 0, also when nothing is there; -1 with errno. */
int layer_stat(const struct layer_dir *d, const char *name, bool image,
	       struct layer_entry *e);
/* Open the regular file that layer_stat() has seen.
 * @param old the image's. Return: -1 with errno, ESTALE when it is another. */
int layer_open(const struct layer_dir *d, const char *name,
	       const struct layer_entry *e, bool old);
/* Target of the symbolic link that layer_stat() has seen; 0 bytes of it when it
 * is none any more. @param target PATH_MAX bytes. Return: length. */
size_t layer_readlink(const struct layer_dir *d, const char *name,
		      const struct layer_entry *e, bool old, char *target);

#endif
