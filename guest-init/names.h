/* SPDX-License-Identifier: MIT */
/*
 * guest-init/names.h - the names of a folder, sorted
 *
 * Held in memory as a whole, each once; nothing is allocated for a single name.
 */
#ifndef PODFLARE_GUEST_NAMES_H
#define PODFLARE_GUEST_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define NAMES_NONE UINT32_MAX

struct name {
	uint64_t key;		/* while it is sorted */
	uint32_t at;		/* in the text */
	uint32_t next;		/* of a list of the user's own */
};

struct names {
	char *text;		/* each with its NUL */
	size_t len, cap;
	struct name *list;
	size_t n, room;
	size_t *budget;		/* bytes that all may still take */
};

void names_init(struct names *s, size_t *budget);
void names_free(struct names *s);
/* Return: 0, or -1 with errno: ENOMEM, or ENOBUFS when the budget is spent. */
int names_add(struct names *s, const char *name, size_t len);
/* All that the folder @fd lists but "." and "..". Return: as names_add(), or
 * as getdents(2). */
int names_read(struct names *s, int fd);
/* By bytes, each once. Return: 0, or -1 with ENOMEM. */
int names_sort(struct names *s);

static inline const char *names_get(const struct names *s, size_t i)
{
	return s->text + s->list[i].at;
}

#endif
