/* SPDX-License-Identifier: MIT */
/* common/suggest.h - "did you mean ...?" */
#ifndef PODFLARE_COMMON_SUGGEST_H
#define PODFLARE_COMMON_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) between two words;
 * words over 63 bytes are as far apart as can be. */
unsigned int suggest_distance(const char *a, const char *b);
/* Keeps the best of the words it is shown: start with best NULL. */
struct suggest {
	const char *word;
	const char *best;	/* NULL: nothing is near enough */
	unsigned int distance;
};
void suggest_offer(struct suggest *s, const char *candidate);

#endif
