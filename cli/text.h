/* SPDX-License-Identifier: MIT */
/* cli/text.h - text from elsewhere, made safe to show */
#ifndef PODFLARE_CLI_TEXT_H
#define PODFLARE_CLI_TEXT_H

#include <stdio.h>

#include "common/util.h"

enum text_lines {
	TEXT_ONE_LINE,	/* line feeds become \n */
	TEXT_MANY_LINES,/* line feeds and tabs are kept */
};

/* Length of the well-formed, visible UTF-8 character at @s, 0 if there is none.
 * Overlong forms, surrogates, controls and the direction overrides U+202A..U+202E,
 * U+2066..U+2069 do not count. */
size_t text_char(const unsigned char *s, size_t len);
/* Write @len bytes with every control character (C0, DEL, C1 in UTF-8) and
 * every byte that is not UTF-8 as \xNN. */
void text_write(FILE *f, const char *s, size_t len, enum text_lines lines);
/* The same into @out, cut to @size with its NUL. Return: @out. */
char *text_clean(const char *s, char *out, size_t size);
/* Columns that a UTF-8 text takes. */
size_t text_width(const char *s);

#endif
