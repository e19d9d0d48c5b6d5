/* SPDX-License-Identifier: MIT */
/* runner/vmm/virtio-blk.h - virtio block device (virtio 1.2, 5.2) */
#ifndef PODFLARE_VMM_VIRTIO_BLK_H
#define PODFLARE_VMM_VIRTIO_BLK_H

#include <linux/virtio_blk.h>

#include "runner/vmm/disk.h"
#include "runner/vmm/virtio-mmio.h"

struct virtio_blk_setup {
	struct disk *disk;	/* open, not owned, outlives the device */
	char id[VIRTIO_BLK_ID_BYTES];	/* GET_ID; NUL-padded */
	/* The host has no space left for a write (at most one call in 10 s);
	 * loop's thread. May be NULL. */
	void (*disk_full)(void *arg);
	void *arg;
};

struct virtio_blk {
	struct virtio_mmio mmio;
	struct virtio_blk_setup setup;
	struct virtio_blk_config config;
	struct virtq_chain chain;
	uint64_t zeroed;	/* bytes, by the request in hand */
	uint64_t full_ns;	/* when disk_full was last called */
	/* For CTL_STATUS; loop's thread. */
	uint64_t bytes_read, bytes_written, flushes;
};

/* Return: 0, or -1 with @err. */
int virtio_blk_init(struct virtio_blk *b, const struct virtio_env *env,
		    const struct virtio_blk_setup *setup, struct err *err);
void virtio_blk_free(struct virtio_blk *b);

#endif
