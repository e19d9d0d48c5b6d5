/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/cowfile.h - a disk made of CoW layers over a raw, read-only file
 *
 * The layers' format is common/cowfmt.h and docs/cow-format.md.
 */
#ifndef PODFLARE_VMM_COWFILE_H
#define PODFLARE_VMM_COWFILE_H

#include "common/cowfmt.h"
#include "runner/vmm/disk.h"

#define COW_LAYERS_MAX 47	/* without the raw bottom */

struct cow_layer {
	int fd;
	struct cow_header header;
	uint8_t *bitmap;	/* as on disk, and what is not yet there */
};

struct cow_disk {
	struct disk disk;
	int bottom;		/* fd of the raw file; zeros behind its end */
	unsigned int nr;
	struct cow_layer layers[COW_LAYERS_MAX];	/* the last is the top */
	bool no_punch;		/* the host's files cannot have holes */
	bool dirty;		/* written since the last flush */
	int broken;		/* errno of a failed flush: writes are refused */
	uint8_t bitmap_dirty[COW_BITMAP_PAGES_MAX / 8];	/* pages of the top's */
	/* Copy-up: the parts of a first and a last cluster that are kept. */
	uint8_t head[COW_CLUSTER], tail[COW_CLUSTER];
	struct iovec iov[DISK_IOV_MAX + 2];
};

/* Open a chain. All memory is allocated here.
 * @param fds fds[0] the raw bottom, then layers from the lowest to the top;
 *        all are taken over, on failure too
 * @param nr 2 to COW_LAYERS_MAX + 1
 * @param read_only the top is not written to (and may be sealed)
 * Return: 0, or -1 with @err: damaged, sealed top, not sealed below, larger
 * below than the top. */
int cow_open(struct cow_disk *c, const int *fds, unsigned int nr,
	     bool read_only, struct err *err);
/* Flush, and make the top immutable for good. Return: 0, or a negative errno:
 * the disk is then broken. */
int cow_seal(struct cow_disk *c);
/* Put a fresh layer (cow_format_create()) on a sealed top; it is written to
 * from now on. @fd is taken over, on failure too. Allocates. Return: 0, or -1
 * with @err. */
int cow_push(struct cow_disk *c, int fd, struct err *err);

#endif
