/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/statefile.h - a machine's state in a file: named, checked sections
 *
 * docs/snapshot-format.md has the layout.  Whatever reads it distrusts it: it
 * may come from another machine, or from nobody knows where.
 */
#ifndef PODFLARE_VMM_STATEFILE_H
#define PODFLARE_VMM_STATEFILE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define STATEFILE_MAGIC "PODFLSTA"
#define STATEFILE_VERSION 1
#define STATEFILE_MAX (4 * MIB)
#define STATEFILE_NAME 32	/* bytes of a section's name, NUL included */

/* Little-endian, in front of the sections. */
struct statefile_header {
	char magic[8];
	uint32_t version;
	uint32_t sections;
	uint64_t length;	/* of the file */
	uint32_t reserved;
	uint32_t crc;		/* of the bytes before it */
};

struct statefile_section {
	char name[STATEFILE_NAME];
	uint32_t length;	/* of the data behind it, padded to 8 bytes */
	uint32_t crc;		/* of the data */
};

/* Writing: begin, put, end. Errors of the first two are kept for the last. */
struct statefile_writer {
	struct buf buf;
	uint32_t sections;
	bool failed;
};

void statefile_begin(struct statefile_writer *w);
/* @param name printf-like */
void statefile_put(struct statefile_writer *w, const void *data, size_t len,
		   const char *name, ...) PRINTF(4, 5);
/* Write it to @fd and free the writer. Not synced. Return: 0, -1 with @err. */
int statefile_end(struct statefile_writer *w, int fd, struct err *err);

struct statefile {
	uint8_t *data;
	size_t len;
};

/* Read the whole file and check it. Return: 0, or -1 with @err. */
int statefile_load(struct statefile *s, int fd, struct err *err);
void statefile_free(struct statefile *s);
/* Return: the section's data, @len bytes, NULL: there is no such one. */
const void *statefile_find(const struct statefile *s, size_t *len,
			   const char *name, ...) PRINTF(3, 4);
/* Copy a section of exactly @len bytes. Return: 0, or -1 with @err. */
int statefile_get(const struct statefile *s, void *data, size_t len,
		  struct err *err, const char *name, ...) PRINTF(5, 6);

#endif
