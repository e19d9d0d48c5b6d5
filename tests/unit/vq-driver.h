/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/vq-driver.h - the driver side of a virtio device, in plain memory
 *
 * A rig is a guest without a CPU: memory, a loop, an interrupt line, and the
 * driver's half of up to three virtqueues.  Well-behaved by itself; a test that
 * wants to misbehave writes to the rings through rig_ptr().
 */
#ifndef PODFLARE_TESTS_VQ_DRIVER_H
#define PODFLARE_TESTS_VQ_DRIVER_H

#include <linux/virtio_ring.h>

#include "runner/vmm/virtio-mmio.h"

#define RIG_LOW 0x100000ULL		/* first slot: 32 MiB from 1 MiB */
#define RIG_LOW_SIZE (32 * MIB)
#define RIG_HIGH (4 * GIB)		/* second: 1 MiB from 4 GiB */
#define RIG_HIGH_SIZE MIB
#define RIG_FEATURES (1ULL << 32 | 1ULL << 29)	/* VERSION_1, EVENT_IDX */

struct rig_queue {
	uint16_t size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t next_desc, used_seen;
};

struct rig_seg {
	uint64_t gpa;
	uint32_t len;
	bool write;		/* by the device */
};

struct rig {
	struct guest_memory mem;
	struct loop loop;
	struct irq_line irq;
	struct virtio_env env;
	struct virtio_mmio *dev;
	uint64_t heap;		/* next free guest address */
	struct rig_queue q[VIRTIO_QUEUES_MAX];
};

void rig_init(struct rig *r);
void rig_free(struct rig *r);
/* Zeroed guest memory of the first slot, 4 KiB aligned; never freed. */
uint64_t rig_alloc(struct rig *r, size_t len);
void *rig_ptr(struct rig *r, uint64_t gpa);

/* 32-bit register accesses. */
uint32_t rig_read(struct rig *r, uint32_t reg);
void rig_write(struct rig *r, uint32_t reg, uint32_t v);
/* Reset, then up to and with FEATURES_OK. */
void rig_negotiate(struct rig *r, struct virtio_mmio *dev, uint64_t features);
/* Memory for a queue's rings; the registers are written by the second. */
void rig_queue_alloc(struct rig *r, unsigned int queue, uint16_t size);
void rig_queue_setup(struct rig *r, unsigned int queue);
/* All of it: negotiate, all queues with their largest size, DRIVER_OK. */
void rig_start(struct rig *r, struct virtio_mmio *dev, uint64_t features);

/* Make a chain available. Return: its head. */
uint16_t rig_add(struct rig *r, unsigned int queue, const struct rig_seg *segs,
		 unsigned int n);
void rig_kick(struct rig *r, unsigned int queue);
/* Until the loop has nothing more to do. */
void rig_run(struct rig *r);
/* As above, for @ms of waiting at most, until there is an event. */
void rig_wait(struct rig *r, int ms);
/* The next used element. Return: false when there is none. */
bool rig_used(struct rig *r, unsigned int queue, struct vring_used_elem *e);
/* Interrupts since the last call. */
uint64_t rig_irqs(struct rig *r);
/* Whether the device asks for a reset. */
bool rig_broken(struct rig *r);

/* Fixed-seed pseudo-random numbers. */
uint32_t rig_random(uint64_t *seed);
/* Throw registers and rings at the device for @ms, then check that a reset
 * brings it back. */
void rig_fuzz(struct rig *r, struct virtio_mmio *dev, uint64_t seed, int ms);

#endif
