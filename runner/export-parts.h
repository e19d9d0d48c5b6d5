/* SPDX-License-Identifier: MIT */
/* runner/export-parts.h - an export and its files (export*.c only) */
#ifndef PODFLARE_RUNNER_EXPORT_PARTS_H
#define PODFLARE_RUNNER_EXPORT_PARTS_H

#include "common/buf.h"
#include "common/crc32.h"
#include "common/snapfile.h"
#include "runner/chain.h"
#include "runner/sandbox.h"
#include "runner/work.h"

struct export {
	LIST_ENTRY(export) link;
	struct work_job job;
	struct runner *runner;
	char name[PODFLARE_NAME_MAX + 1];
	int out;		/* our end of the stream */
	char *meta;
	/* the files, -1: it has none */
	int state, memory, base;
	int disk_base;
	int layers[CHAIN_MAX + 2];	/* bottom first */
	unsigned int nr_layers;
	uint64_t disk;		/* bytes */
	/* the work thread's */
	struct crc32 crc;
	struct buf frames;
	uint64_t sent;		/* bytes of DATA records */
	uint8_t *chunk;		/* SNAPFILE_DATA_MAX */
	struct err err;
};

/* export-disk.c: what all layers together hold, as one file. Work thread.
 * Return: 0, or -1 with e->err. */
int export_disk(struct export *e);

/* export.c: records. Return: 0, or -1 with e->err. */
int export_record(struct export *e, enum snapfile_type type, uint64_t at,
		  const void *data, size_t len);
/* Bytes [@from, @end) of @fd as bytes from @at on of the file; zeros are left
 * out. @what: for messages. */
int export_range(struct export *e, int fd, uint64_t from, uint64_t end,
		 uint64_t at, const char *what);

#endif
