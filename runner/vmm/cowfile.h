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
	bool empty;		/* no bit is set */
	bool frozen;		/* never written to again, sealed or not yet */
	bool dirty;		/* written since the last flush */
	int *failed;		/* errno of a failed flush of the file, told to
				 * all processes that have it by a fork */
	uint8_t bitmap_dirty[COW_BITMAP_PAGES_MAX / 8];	/* pages */
};

struct cow_disk {
	struct disk disk;
	int bottom;		/* fd of the raw file; zeros behind its end */
	unsigned int nr;
	struct cow_layer layers[COW_LAYERS_MAX];	/* the last is the top */
	bool no_punch;		/* the host's files cannot have holes */
	int broken;		/* errno of a failed flush: all are refused */
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

/*
 * A fork: cow_freeze(), fork(2), then either side puts a fresh layer of its own
 * on top.  Nothing is written: the frozen layer is flushed and sealed by the
 * next flush of either side, which write the same bytes.
 */
/* The top is not written to from now on. Return: false: it is empty, and stays
 * as it is; the child has to drop it. */
bool cow_freeze(struct cow_disk *c);
/* Undo cow_freeze(): there was no fork. */
void cow_thaw(struct cow_disk *c);
/* Read a fresh layer (cow_format_create()) for cow_push(). @fd is taken over,
 * on failure too. Allocates. Return: 0, or -1 with @err. */
int cow_layer_load(const struct cow_disk *c, int fd, struct cow_layer *l,
		   struct err *err);
/* Read the layer in @l->fd; allocates. Return: 0, or -1 with @err: to be closed
 * all the same. */
int cow_layer_read(struct cow_layer *l, struct err *err);
/* Give back what was not pushed. */
void cow_layer_close(struct cow_layer *l);
/* Put @l, taken over, on a frozen or sealed top; it is written to from now on.
 * Room and state were seen to: cow_may_push(). */
void cow_push(struct cow_disk *c, struct cow_layer *l);
/* Return: 0, or -1 with @err: too many layers, or an earlier flush failed. */
int cow_may_push(const struct cow_disk *c, struct err *err);
/* Close the top, which is the parent's; another one has to follow. */
void cow_drop_top(struct cow_disk *c);

/*
 * Sealed layers may give way to one that holds what they hold together: a chain
 * that forks have made long gets short again, between two requests of the guest.
 */
/* Whether layers @first to @first + @count - 1 may. Return: 0, or -1 with @err. */
int cow_may_replace(const struct cow_disk *c, unsigned int first,
		    unsigned int count, struct err *err);
/* Put the sealed layer @fd, taken over, on failure too, in their place: after
 * cow_may_replace(). Return: 0, or -1 with @err and all as it was: damaged, not
 * sealed, of another size, with other clusters. */
int cow_replace(struct cow_disk *c, unsigned int first, unsigned int count,
		int fd, struct err *err);

#endif
