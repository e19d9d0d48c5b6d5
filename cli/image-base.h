/* SPDX-License-Identifier: MIT */
/* cli/image-base.h - a tar stream becomes an image's root file system */
#ifndef PODFLARE_CLI_IMAGE_BASE_H
#define PODFLARE_CLI_IMAGE_BASE_H

#include "cli/image-job.h"

#define BASE_TYPE "squashfs"
/* To be raised when the same input gives another file: images are then built
 * again. */
#define BASE_REVISION 2

/* Whose tar stream it is. */
enum base_source {
	BASE_BUILT,	/* our own build: its traces are left out as well */
	BASE_IMPORTED,	/* from anywhere */
};

/*
 * Read a tar stream (plain or packed by gzip, xz, zstd) from @fd up to its end
 * and make the file @path out of it.
 * @param total the stream's bytes if they are known, for progress; else 0
 * Return: 0, or -1 with @err (ERR_USAGE: not a tar archive, corrupt, or not a
 * root file system).
 */
int base_write(struct job *j, int fd, uint64_t total, enum base_source source,
	       const char *path, struct err *err);

enum base_fate {
	BASE_KEEP,
	BASE_DROP,	/* not in an image: contents of /proc, /tmp, ... */
	BASE_REPLACE,	/* ours takes its place */
	BASE_BAD,	/* a name that must not be: "..", empty */
};

/* What becomes of the entry of that name; the name in the image ("etc/hosts",
 * "" for the root itself) is in @out. */
enum base_fate base_fate(const char *name, enum base_source source, char *out,
			 size_t size);

#endif
