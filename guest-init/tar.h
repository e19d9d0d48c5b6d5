/* SPDX-License-Identifier: MIT */
/*
 * guest-init/tar.h - tar streams: ustar, pax and GNU in, ustar with pax out
 *
 * POSIX.1-2017 pax(1), "Extended Description"; GNU tar's manual, "Tar
 * Internals", for long names, base-256 numbers and sparse files.
 */
#ifndef PODFLARE_GUEST_TAR_H
#define PODFLARE_GUEST_TAR_H

#include <sys/stat.h>
#include <time.h>

#include "guest-init/stream.h"

#define TAR_BLOCK 512
#define TAR_META_MAX (1 * MIB)		/* of one entry: names, pax, map */
#define TAR_EXTENTS_MAX (1024 * 1024)

enum tar_type {
	TAR_FILE = '0',
	TAR_HARDLINK = '1',
	TAR_SYMLINK = '2',
	TAR_CHAR = '3',
	TAR_BLOCK_DEVICE = '4',
	TAR_FOLDER = '5',
	TAR_FIFO = '6',
};

struct tar_extent {
	uint64_t offset, len;
};

struct tar_entry {
	enum tar_type type;
	char *name, *link;	/* as they are in the archive; link may be NULL */
	uint32_t mode;		/* permission bits */
	uint32_t uid, gid;
	uint32_t major, minor;
	uint64_t size;		/* of the file */
	uint64_t stored;	/* bytes of it that follow the header, unpadded */
	struct timespec mtime;
	bool sparse;		/* what is stored are these extents */
	bool map_in_data;	/* they are told before the data (GNU 1.0) */
	struct tar_extent *extents;
	size_t nr_extents;
};

/* What a header may leave to the next ones. */
struct tar_reader {
	struct stream_in *in;
	struct buf global;	/* pax records for all entries */
};

/* The next entry; its data are to be read from the stream, then
 * tar_skip_padding(). Return: 1, 0 at the end of the archive (the stream is
 * drained), -1 with @err. */
int tar_next(struct tar_reader *r, struct tar_entry *e, struct err *err);
int tar_skip_padding(struct tar_reader *r, uint64_t stored, struct err *err);
void tar_entry_free(struct tar_entry *e);

/* tar-pax.c: records "LEN KEY=VALUE\n". What they say of a name, a number or a
 * sparse map goes into @e. Return: 0, or -1 with @err. */
int tar_pax_apply(struct tar_entry *e, const struct buf *records,
		  struct err *err);
int tar_pax_put(struct buf *records, const char *key, const void *value,
		size_t len);

/* tar-sparse.c: the extents of a file whose header was just read. @block is the
 * header. Return: 0, or -1 with @err. */
int tar_sparse_old(struct stream_in *in, const uint8_t *block,
		   struct tar_entry *e, struct err *err);
int tar_sparse_read_map(struct stream_in *in, struct tar_entry *e,
			struct err *err);
/* In order, within the file, and as much as is stored. */
int tar_sparse_check(const struct tar_entry *e, struct err *err);
int tar_extent_add(struct tar_entry *e, uint64_t offset, uint64_t len,
		   struct err *err);

/* Octal, or base-256 as GNU has it; signed. Return: false when it is neither. */
bool tar_number(const uint8_t *field, size_t len, int64_t *value);

/* Write a header, pax records before it where they are needed; then
 * @e->stored bytes are to follow, and tar_write_padding(). */
int tar_write(struct stream_out *out, const struct tar_entry *e,
	      struct err *err);
int tar_write_padding(struct stream_out *out, uint64_t stored, struct err *err);
int tar_write_end(struct stream_out *out, struct err *err);

#endif
