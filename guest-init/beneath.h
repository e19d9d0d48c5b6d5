/* SPDX-License-Identifier: MIT */
/*
 * guest-init/beneath.h - paths below a folder, without following a link
 *
 * Below the folder every part of a path is opened by itself, never through a
 * symbolic link, so that no one who may write there can lead us elsewhere.
 */
#ifndef PODFLARE_GUEST_BENEATH_H
#define PODFLARE_GUEST_BENEATH_H

#include "common/err.h"

struct beneath {
	int root;	/* the folder, not owned */
	int dir;	/* the last parent that was asked for; -1: none */
	char *dir_path;	/* its path, "" for the root */
};

void beneath_init(struct beneath *b, int root);
void beneath_free(struct beneath *b);
/*
 * Bring a name from an archive into the form "a/b/c": no empty part, no ".",
 * no leading slash; "" is the folder itself.
 * Return: malloc'ed, NULL with @err when it has a ".." or memory is out.
 */
char *beneath_name(const char *name, struct err *err);
/*
 * The parent of a clean name, made with its own parents if it is missing.
 * @param base set to the name's last part
 * Return: a descriptor, valid until the next call and not the caller's; -1 with
 * @err.
 */
int beneath_parent(struct beneath *b, const char *name, const char **base,
		   struct err *err);

#endif
