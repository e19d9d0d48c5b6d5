/* SPDX-License-Identifier: MIT */
/* cli/image-unpack.h - one compressed piece of memory, unpacked */
#ifndef PODFLARE_CLI_IMAGE_UNPACK_H
#define PODFLARE_CLI_IMAGE_UNPACK_H

#include "common/buf.h"
#include "common/err.h"

enum unpack_kind {
	UNPACK_NONE,	/* not compressed, or in no way known here */
	UNPACK_GZIP,
	UNPACK_XZ,
	UNPACK_ZSTD,
	UNPACK_LZ4,	/* frames, or the kernel's own legacy format */
};

/* By the first bytes. */
enum unpack_kind unpack_kind(const void *data, size_t len);
/* Append what @data unpacks to. @what names it in messages.
 * Return: 0, or -1 with @err (ERR_USAGE: corrupt; ERR_LIMIT: over out->max). */
int unpack(enum unpack_kind kind, const void *data, size_t len,
	   const char *what, struct buf *out, struct err *err);

struct archive;

/* Enable reading that kind, if libarchive does it itself. Return: ARCHIVE_OK, or
 * what it says. */
int unpack_enable(struct archive *a, enum unpack_kind kind);
/* Enable tar, plain or packed by gzip, xz or zstd. */
void unpack_enable_tar(struct archive *a);

#endif
