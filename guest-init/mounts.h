/* SPDX-License-Identifier: MIT */
/* guest-init/mounts.h - where something is mounted on the root */
#ifndef PODFLARE_GUEST_MOUNTS_H
#define PODFLARE_GUEST_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct mounts {
	char *text;
	const char **points;	/* sorted */
	size_t n;
};

/* @param file /proc/self/mountinfo. Return: 0, or -1 with @err. */
int mounts_read(struct mounts *m, const char *file, struct err *err);
void mounts_free(struct mounts *m);
/* @param path absolute, without a slash at its end */
bool mounts_has(const struct mounts *m, const char *path);

#endif
