/* SPDX-License-Identifier: MIT */
/*
 * common/suggest.c - "did you mean ...?"
 *
 * Pure functions on bounded words.
 */
#include "common/suggest.h"

#include <string.h>

#include "common/util.h"

#define WORD_MAX 63

/* See suggest.h. The optimal string alignment distance, three rows at a time. */
unsigned int suggest_distance(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	unsigned int *before = rows[0], *last = rows[1], *now = rows[2];
	size_t la = strnlen(a, WORD_MAX + 1), lb = strnlen(b, WORD_MAX + 1);

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX + 1;
	for (size_t j = 0; j <= lb; j++)
		last[j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int *spare = before;

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int d = last[j - 1] + (a[i - 1] != b[j - 1]);

			d = MIN(d, last[j] + 1);
			d = MIN(d, now[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d = MIN(d, before[j - 2] + 1);
			now[j] = d;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

/* See suggest.h. */
void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t len = strlen(s->word);
	unsigned int bound = len <= 2 ? 1 : len <= 5 ? 2 : 3;
	unsigned int d = suggest_distance(s->word, candidate);

	/* "mem" for "memory" is meant, however much is missing. */
	if (len >= 2 && !strncmp(s->word, candidate, len))
		d = 1;
	if (d > bound || d >= strlen(candidate))
		return;
	if (!s->best || d < s->distance) {
		s->best = candidate;
		s->distance = d;
	}
}
