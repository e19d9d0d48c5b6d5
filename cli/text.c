/* SPDX-License-Identifier: MIT */
/*
 * cli/text.c - text from elsewhere, made safe to show
 *
 * Runs in the CLI.  Distrusts every byte: names, messages and console lines may
 * come from a guest, and a terminal obeys what it is sent.
 */
#include "cli/text.h"

#include <string.h>

/* See text.h. */
size_t text_char(const unsigned char *s, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	uint32_t c;

	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
		return 0;
	c = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ||
	    c < 0xa0 || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

/* The next piece of output for what is at @s. Return: bytes of input used. */
static size_t escape(const unsigned char *s, size_t len, enum text_lines lines,
		     char out[8])
{
	size_t n = text_char(s, len);

	if (n || (lines == TEXT_MANY_LINES && (*s == '\n' || *s == '\t'))) {
		n = n ? n : 1;
		memcpy(out, s, n);
		out[n] = '\0';
		return n;
	}
	if (*s == '\n')
		strcpy(out, "\\n");
	else if (*s == '\t')
		strcpy(out, " ");
	else
		snprintf(out, 8, "\\x%02x", *s);
	return 1;
}

/* See text.h. */
void text_write(FILE *f, const char *s, size_t len, enum text_lines lines)
{
	const unsigned char *p = (const unsigned char *)s;

	while (len) {
		char out[8];
		size_t n;

		/* The end of a line as a terminal or serial console has it. */
		if (lines == TEXT_MANY_LINES && len > 1 && p[0] == '\r' &&
		    p[1] == '\n') {
			p++;
			len--;
		}
		n = escape(p, len, lines, out);
		fputs(out, f);
		p += n;
		len -= n;
	}
}

/* See text.h. */
char *text_clean(const char *s, char *out, size_t size)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = strlen(s), used = 0;

	while (len) {
		char piece[8];
		size_t n = escape(p, len, TEXT_ONE_LINE, piece);
		size_t add = strlen(piece);

		if (used + add + 1 > size)
			break;
		memcpy(out + used, piece, add);
		used += add;
		p += n;
		len -= n;
	}
	if (size)
		out[used] = '\0';
	return out;
}

/* See text.h. */
size_t text_width(const char *s)
{
	size_t width = 0;

	for (; *s; s++)
		width += ((unsigned char)*s & 0xc0) != 0x80;
	return width;
}
