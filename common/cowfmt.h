/* SPDX-License-Identifier: MIT */
/*
 * common/cowfmt.h - the CoW layer format on disk, version 1
 *
 * A layer holds the clusters of a virtual disk that were written since the
 * layer below was sealed.  docs/cow-format.md describes it byte by byte.  Files
 * are taken and given as descriptors; there is no path name inside.
 */
#ifndef PODFLARE_COMMON_COWFMT_H
#define PODFLARE_COMMON_COWFMT_H

#include <stdbool.h>

#include "common/err.h"

#define COW_MAGIC "PODFLCOW"
#define COW_VERSION 1
#define COW_CLUSTER 4096
#define COW_SIZE_MAX (64 * GIB)	/* of a virtual disk */
#define COW_BITMAP_PAGES_MAX (COW_SIZE_MAX / COW_CLUSTER / 8 / 4096)
#define COW_HEADER_LEN 4096

#define COW_SEALED 1u		/* flags: immutable from now on */

/* Little-endian, at offset 0; the rest of the first 4096 bytes is zero. */
struct cow_header {
	char magic[8];
	uint32_t version;
	uint32_t flags;
	uint64_t size;		/* virtual, bytes, multiple of COW_CLUSTER */
	uint32_t cluster;	/* COW_CLUSTER */
	uint32_t reserved;	/* 0 */
	uint64_t bitmap_off;	/* COW_HEADER_LEN */
	uint64_t bitmap_len;	/* bytes, multiple of 4096 */
	uint64_t data_off;	/* cluster N is at data_off + N * COW_CLUSTER */
	uint32_t reserved2;	/* 0 */
	uint32_t crc;		/* CRC-32 of the bytes before it */
};

struct cow_report {
	uint64_t clusters;	/* with their bit set */
	uint64_t bytes;		/* the file takes on the host's disk */
	bool sealed;
};

/* Make an empty layer in an empty file and fsync it.
 * @param fd read-write, not taken over
 * @param size bytes, rounded up to COW_CLUSTER; 1 to COW_SIZE_MAX
 * Return: 0, or -1 with @err. */
int cow_format_create(int fd, uint64_t size, struct err *err);
/* The same, not yet on stable storage. */
int cow_format_init(int fd, uint64_t size, struct err *err);
/* Read and check the header and the file's size. Return: 0, or -1 with @err. */
int cow_format_load(int fd, struct cow_header *h, struct err *err);
/* Write the header with its checksum, not synced. Return: 0, -1 with errno. */
int cow_format_store(int fd, struct cow_header *h);
/* All that cow_format_load() checks and the bitmap: no bit past the end.
 * @param report may be NULL. Return: 0, or -1 with @err: what is wrong. */
int cow_format_check(int fd, struct cow_report *report, struct err *err);

#endif
