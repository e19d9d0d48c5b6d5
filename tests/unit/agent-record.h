/* SPDX-License-Identifier: MIT */
/* tests/unit/agent-record.h - records of CHANGES, HASH and FETCH, as a host reads
 * them */
#ifndef PODFLARE_TESTS_AGENT_RECORD_H
#define PODFLARE_TESTS_AGENT_RECORD_H

#include <stdbool.h>

#include "common/tlv.h"

struct rec {
	char path[8192];	/* cut */
	size_t path_len;
	uint64_t seen;		/* bit of each tag below 64 that was there */
	uint32_t change, mode, uid, gid, nlink;
	uint64_t size, mtime, ctime, ino, rdev;
	uint32_t old_mode, old_uid, old_gid;
	uint64_t old_size;
	char link[4097], old_link[4097];
	uint8_t digest[32];
	bool has_digest;
	uint32_t sys;		/* ERRNO */
	uint32_t mapped;
};

/* The next of the records in @data. @param pos starts at 0, is advanced
 * Return: false at the end; what is malformed fails the test. */
bool rec_next(const struct buf *data, size_t *pos, struct rec *r);
/* Append a record with PATH, as HASH and FETCH want it. */
void rec_put_path(struct buf *data, const char *path, bool image);

#endif
