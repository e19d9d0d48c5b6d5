/* SPDX-License-Identifier: MIT */
/*
 * runner/text.c - bytes from a guest or a VMM made fit for JSON and people
 *
 * podflared, loop thread.  Distrusts every byte: consoles and agent replies
 * may hold anything.
 */
#include "runner/text.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "common/cleanup.h"

#define TAIL_READ_MAX (1024 * 1024)	/* bytes looked at from a file's end */

static const char replacement[] = "\xef\xbf\xbd";	/* U+FFFD */

/* Length of the well-formed UTF-8 sequence at @s (RFC 3629), 0 if malformed. */
static size_t utf8_len(const uint8_t *s, size_t len)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n, i;

	if (s[0] < 0x80)
		return s[0] ? 1 : 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
}

int text_put(struct buf *out, const void *data, size_t len, int how)
{
	const uint8_t *s = data;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = utf8_len(s + i, len - i);
		if (!n) {
			n = 1;
			if (buf_append(out, replacement, 3) < 0)
				return -1;
			continue;
		}
		if (how == TEXT_CLEAN) {
			/* C1 controls are two bytes: c2 80 to c2 9f */
			if (n == 1 && is_control(s[i]))
				continue;
			if (n == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0)
				continue;
		}
		if (buf_append(out, s + i, n) < 0)
			return -1;
	}
	return 0;
}

void text_clean_copy(char *out, size_t size, const char *s)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t n;

	/* as far as it came without memory */
	(void)text_put(&b, s, strlen(s), TEXT_CLEAN);
	n = MIN(b.len, size - 1);
	while (n < b.len && n && (b.data[n] & 0xc0) == 0x80)
		n--;
	if (n)
		memcpy(out, b.data, n);
	out[n] = '\0';
}

/* What one byte of text_put()'s output costs inside a JSON string. */
static size_t json_cost(uint8_t c)
{
	if (c == '"' || c == '\\')
		return 2;
	return c < 0x20 || c == 0x7f ? 6 : 1;
}

json_t *text_tail(const void *data, size_t len, size_t lines, size_t budget,
		  int how)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t from, newlines = 0, cost = 0;

	if (text_put(&b, data, len, how) < 0)
		return NULL;
	if (!b.data)	/* jansson makes no string of a NULL pointer */
		return json_string("");
	for (from = b.len; from > 0; from--) {
		cost += json_cost(b.data[from - 1]);
		if (cost > budget)
			break;
		/* the newline that ends the last line counts none */
		if (b.data[from - 1] == '\n' && from < b.len &&
		    ++newlines == lines && lines)
			break;
	}
	while (from < b.len && (b.data[from] & 0xc0) == 0x80)
		from++;		/* not in the middle of a character */
	return json_stringn(buf_str(&b) + from, b.len - from);
}

json_t *text_tail_file(int dirfd, const char *name, size_t lines,
		       size_t budget, int how)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_FD int fd = -1;
	struct stat st;

	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return json_string("");
	if (st.st_size > TAIL_READ_MAX &&
	    lseek(fd, st.st_size - TAIL_READ_MAX, SEEK_SET) < 0)
		return json_string("");
	while (b.len < TAIL_READ_MAX &&
	       buf_read(&b, fd, TAIL_READ_MAX - b.len) > 0)
		;
	return text_tail(b.data, b.len, lines, budget, how);
}
