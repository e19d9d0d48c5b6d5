/* SPDX-License-Identifier: MIT */
/*
 * runner/text.h - bytes from a guest or a VMM made fit for JSON and people
 */
#ifndef PODFLARE_RUNNER_TEXT_H
#define PODFLARE_RUNNER_TEXT_H

#include <jansson.h>

#include "common/buf.h"

#define TEXT_RAW 0	/* control characters stay */
#define TEXT_CLEAN 1	/* control characters but \n and \t are dropped */

/* Append @len bytes to @out as valid UTF-8 without NUL: what is not becomes
 * U+FFFD. Return: 0, or -1 with errno as buf_append(). */
int text_put(struct buf *out, const void *data, size_t len, int how);
/* As text_put() with TEXT_CLEAN, the part of @s that fits @out; cut between
 * characters, so that it still is a JSON string. */
void text_clean_copy(char *out, size_t size, const char *s);
/* The last part of @data that takes at most @budget bytes as a JSON string and
 * (if @lines > 0) has at most @lines lines. Return: a new string, NULL without
 * memory. */
json_t *text_tail(const void *data, size_t len, size_t lines, size_t budget,
		  int how);
/* As text_tail(), of the file @name in @dirfd; "" when it cannot be read. */
json_t *text_tail_file(int dirfd, const char *name, size_t lines,
		       size_t budget, int how);

#endif
