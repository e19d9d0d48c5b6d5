/* SPDX-License-Identifier: MIT */
/*
 * common/snapfile.h - a snapshot in one file, as it is exported
 *
 * docs/snapshot-format.md has the layout byte by byte.  The file is written and
 * read from its beginning to its end, so that a pipe will do.  All integers are
 * little-endian.  What reads it distrusts it.
 */
#ifndef PODFLARE_COMMON_SNAPFILE_H
#define PODFLARE_COMMON_SNAPFILE_H

#include "common/err.h"

#define SNAPFILE_MAGIC "PODFLSNP"
#define SNAPFILE_VERSION 1
#define SNAPFILE_META_MAX (384 * KIB)
#define SNAPFILE_DATA_MAX (256 * KIB)	/* of one record */

/* Then come meta_len bytes of JSON, then 4 bytes: the CRC-32 of all before. */
struct snapfile_header {
	char magic[8];
	uint32_t version;
	uint32_t meta_len;
	uint64_t reserved;	/* 0 */
};

enum snapfile_type {
	SNAPFILE_FILE = 1,	/* a file begins: `at` says which, the data are
				 * its size (8 bytes) */
	SNAPFILE_DATA = 2,	/* `len` bytes of it at `at`, behind those before;
				 * what no record has is zero */
	SNAPFILE_END = 3,	/* nothing comes behind it; `at` is the number of
				 * bytes of all DATA records */
};

enum snapfile_file {
	SNAPFILE_STATE = 1,
	SNAPFILE_MEMORY = 2,
	SNAPFILE_BASE = 3,	/* what memory differs from */
	SNAPFILE_DISK = 4,	/* all of it, no matter in how many layers */
	SNAPFILE_FILES,
};

/* Then come len bytes, then 4: the CRC-32 of all bytes of the file before them but
 * for the earlier CRCs. */
struct snapfile_record {
	uint32_t type;
	uint32_t len;
	uint64_t at;
};

/* Whether that can be read here. Return: 0, or -1 with @err. */
int snapfile_check_header(const struct snapfile_header *h, struct err *err);

#endif
