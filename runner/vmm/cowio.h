/* SPDX-License-Identifier: MIT */
/* runner/vmm/cowio.h - reading and writing a chain of layers, for cowfile.c */
#ifndef PODFLARE_VMM_COWIO_H
#define PODFLARE_VMM_COWIO_H

#include "runner/vmm/cowfile.h"

/* As struct disk_ops. */
int cowio_read(struct disk *d, struct iovec *iov, int nr, uint64_t off,
	       uint64_t len);
int cowio_write(struct disk *d, struct iovec *iov, int nr, uint64_t off,
		uint64_t len);
int cowio_flush(struct disk *d);
int cowio_discard(struct disk *d, uint64_t off, uint64_t len);
int cowio_zero(struct disk *d, uint64_t off, uint64_t len);

#endif
