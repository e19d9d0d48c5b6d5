/* SPDX-License-Identifier: MIT */
/* runner/vmm/virtio-rng.h - virtio entropy device (virtio 1.2, 5.4) */
#ifndef PODFLARE_VMM_VIRTIO_RNG_H
#define PODFLARE_VMM_VIRTIO_RNG_H

#include "runner/vmm/virtio-mmio.h"

#define RNG_REQUEST_MAX 4096	/* bytes given for one request */
#define RNG_BUDGET (64 * 1024)	/* bytes in RNG_PERIOD_MS */
#define RNG_PERIOD_MS 100

struct virtio_rng {
	struct virtio_mmio mmio;
	struct virtq_chain chain;
	struct loop_timer refill;
	uint32_t budget;	/* bytes left in this period */
};

/* Return: 0, or -1 with @err. */
int virtio_rng_init(struct virtio_rng *r, const struct virtio_env *env,
		    struct err *err);
void virtio_rng_free(struct virtio_rng *r);

#endif
