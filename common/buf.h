/* SPDX-License-Identifier: MIT */
/* common/buf.h - a growable byte buffer with an upper bound */
#ifndef PODFLARE_COMMON_BUF_H
#define PODFLARE_COMMON_BUF_H

#include <sys/types.h>

#include "common/util.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max;	/* 0: 16 MiB */
};

#define BUF_INIT { 0 }
#define CLEANUP_BUF __attribute__((cleanup(buf_free)))

void buf_free(struct buf *b);
/* Room for @n more bytes. Return: where they go, NULL past the bound (ENOBUFS)
 * or out of memory (ENOMEM). */
void *buf_reserve(struct buf *b, size_t n);
/* Return: 0, or -1 with errno as buf_reserve(). */
int buf_append(struct buf *b, const void *data, size_t n);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Drop @n bytes from the front. */
void buf_consume(struct buf *b, size_t n);
/* The contents as a C string: a NUL is kept behind them, not counted.
 * Return: never NULL for a buffer that was appended to. */
const char *buf_str(struct buf *b);
/* read(2) up to @n bytes to the end. Return: as read(2). */
ssize_t buf_read(struct buf *b, int fd, size_t n);

#endif
