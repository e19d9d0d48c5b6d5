/* SPDX-License-Identifier: MIT */
/* runner/import.h - the files of an exported snapshot are received */
#ifndef PODFLARE_RUNNER_IMPORT_H
#define PODFLARE_RUNNER_IMPORT_H

#include <stdbool.h>

#include "common/err.h"
#include "common/frame.h"

struct import_stream {
	int fd;			/* non-blocking */
	struct frame_reader in;	/* what was read of it already */
};

/* What the file is to hold, as was checked before. */
struct import_plan {
	const char *meta;	/* the file's own text of that */
	uint64_t memory, disk;	/* bytes */
	bool disk_only;
};

/* Write what comes to the empty folder @dirfd, on stable storage. Blocks: for a
 * work thread. Return: 0, or -1 with @err; what is there then is the caller's to
 * remove. */
int import_receive(int dirfd, const struct import_plan *plan,
		   struct import_stream *s, struct err *err);

#endif
