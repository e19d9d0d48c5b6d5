/* SPDX-License-Identifier: MIT */
/* examples/hello-c/words.c - count words */
#include "words.h"

#include <ctype.h>

size_t words_count(const char *text, size_t len)
{
	size_t words = 0;
	int inside = 0;

	for (size_t i = 0; i < len; i++) {
		int blank = isspace((unsigned char)text[i]);

		words += !blank && !inside;
		inside = !blank;
	}
	return words;
}
