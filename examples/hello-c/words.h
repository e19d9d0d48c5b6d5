/* SPDX-License-Identifier: MIT */
/* examples/hello-c/words.h - count words */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

/* Return: how many runs of non-blank bytes @text has. */
size_t words_count(const char *text, size_t len);

#endif
