/* SPDX-License-Identifier: MIT */
/*
 * common/buf.c - a growable byte buffer with an upper bound
 *
 * Any process; one thread at a time.  The bound is what keeps a peer from
 * driving our memory: the owner sets it before the first byte.
 */
#include "common/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define BUF_MAX (16 * MIB)
#define BUF_MIN 256

void buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void *buf_reserve(struct buf *b, size_t n)
{
	size_t max = b->max ? b->max : BUF_MAX;
	size_t cap = MAX(b->cap, (size_t)BUF_MIN);
	uint8_t *data;

	if (n > max || b->len > max - n) {
		errno = ENOBUFS;
		return NULL;
	}
	/* one byte more than asked: the NUL of buf_str() */
	while (cap < b->len + n + 1)
		cap *= 2;
	if (cap != b->cap) {
		data = realloc(b->data, cap);
		if (!data) {
			errno = ENOMEM;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
}

int buf_append(struct buf *b, const void *data, size_t n)
{
	void *to = buf_reserve(b, n);

	if (!to)
		return -1;
	if (n)
		memcpy(to, data, n);
	b->len += n;
	return 0;
}

/* Append formatted text, without its NUL. Return: as buf_append(). */
int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	void *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	to = buf_reserve(b, (size_t)n);
	if (!to)
		return -1;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	BUG_ON(n > b->len);
	b->len -= n;
	if (b->len)
		memmove(b->data, b->data + n, b->len);
}

const char *buf_str(struct buf *b)
{
	if (!b->data)
		return "";
	b->data[b->len] = '\0';
	return (const char *)b->data;
}

ssize_t buf_read(struct buf *b, int fd, size_t n)
{
	void *to = buf_reserve(b, n);
	ssize_t got;

	if (!to)
		return -1;
	got = TEMP_FAILURE_RETRY(read(fd, to, n));
	if (got > 0)
		b->len += (size_t)got;
	return got;
}
