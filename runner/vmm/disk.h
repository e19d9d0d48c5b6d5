/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/disk.h - what a block device's bytes lie on
 *
 * A disk is a raw file or block device (here) or a chain of CoW layers
 * (cowfile.h).  Ranges are in bytes; the caller has checked them against size.
 * Everything blocks, on the thread of the loop.
 */
#ifndef PODFLARE_VMM_DISK_H
#define PODFLARE_VMM_DISK_H

#include <stdbool.h>
#include <sys/uio.h>

#include "common/err.h"

#define DISK_SECTOR 512
#define DISK_IOV_MAX 256	/* ranges in one read or write */

struct disk;

/* Return, all of them: 0, or a negative errno. iov arrays may be changed.
 * Their lengths sum up to @len. */
struct disk_ops {
	int (*read)(struct disk *d, struct iovec *iov, int nr, uint64_t off,
		    uint64_t len);
	int (*write)(struct disk *d, struct iovec *iov, int nr, uint64_t off,
		     uint64_t len);
	/* What was written before is on stable storage after it. */
	int (*flush)(struct disk *d);
	/* A hint: afterwards the range reads as zeros, or as before. */
	int (*discard)(struct disk *d, uint64_t off, uint64_t len);
	int (*zero)(struct disk *d, uint64_t off, uint64_t len);
	/* Close the descriptors, free the memory; nothing is flushed. */
	void (*close)(struct disk *d);
};

struct disk {
	const struct disk_ops *ops;	/* NULL: not open */
	uint64_t size;			/* bytes, a multiple of DISK_SECTOR */
	bool read_only;
};

struct disk_raw {
	struct disk disk;
	int fd;
	bool no_punch;			/* the file cannot have holes */
	int broken;			/* errno of a failed flush: no writes */
};

/* @param fd of a file or block device; taken over, on failure too
 * Return: 0, or -1 with @err. */
int disk_raw_open(struct disk_raw *r, int fd, bool read_only, struct err *err);
/* ops->close, once; harmless on a disk that is not open. */
void disk_close(struct disk *d);

/* ---- for disks ---- */

/* Of a regular file or block device. Return: 0, or -1 with @err. */
int disk_file_size(int fd, uint64_t *size, struct err *err);
/* preadv(2) until all is there. Past the file's end are zeros, or (@whole) it is
 * -EIO. @iov is used up. Return: 0, or a negative errno. */
int disk_read_all(int fd, struct iovec *iov, int nr, uint64_t off, bool whole);
/* pwritev(2) until all is there. @iov is used up. Return: as above. */
int disk_write_all(int fd, struct iovec *iov, int nr, uint64_t off);
/* Punch a hole. Return: 0, -EOPNOTSUPP where the file cannot, -errno. */
int disk_punch(int fd, uint64_t off, uint64_t len);
/* Write zeros the long way. Return: 0, or a negative errno. */
int disk_write_zeros(int fd, uint64_t off, uint64_t len);
/* Move the first @n bytes of *iov to @out. Return: how many ranges those are. */
int disk_iov_take(struct iovec **iov, int *nr, uint64_t n, struct iovec *out);

#endif
