/* SPDX-License-Identifier: MIT */
/* guest-init/links.h - which files with several names were archived already */
#ifndef PODFLARE_GUEST_LINKS_H
#define PODFLARE_GUEST_LINKS_H

#include <stddef.h>
#include <sys/stat.h>

#define LINKS_BYTES_MAX (64 * 1024 * 1024)	/* of memory; then none is kept */

struct links {
	struct link **table;
	size_t size, used;	/* slots: a power of two */
	size_t bytes;
};

/* Return: the name it was archived under, valid while the links are; NULL the
 * first time, or when it has but one name. */
const char *links_find(struct links *l, const struct stat *st, const char *name);
void links_free(struct links *l);

#endif
