/* SPDX-License-Identifier: MIT */
/* tests/unit/vq-fuzz.c - a driver without any manners, from a fixed seed */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <time.h>

#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

uint32_t rig_random(uint64_t *seed)
{
	/* xorshift64* */
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t)((*seed * 0x2545f4914f6cdd1dULL) >> 32);
}

/* Mostly plausible numbers, sometimes any. */
static uint32_t any_number(uint64_t *seed)
{
	static const uint32_t odd[] = { 0, 1, 2, 3, 7, 15, 16, 44, 255, 256,
					257, 4096, 65535, 65536, 0x7fffffff,
					0x80000000, 0xfffffff0, 0xffffffff };

	if (rig_random(seed) % 4 == 0)
		return rig_random(seed);
	return odd[rig_random(seed) % ARRAY_SIZE(odd)];
}

static uint64_t any_address(uint64_t *seed)
{
	switch (rig_random(seed) % 8) {
	case 0:
		return (uint64_t)any_number(seed) << 32 | any_number(seed);
	case 1:
		return RIG_LOW + RIG_LOW_SIZE - rig_random(seed) % 64;
	case 2:
		return RIG_HIGH + RIG_HIGH_SIZE - rig_random(seed) % 4096;
	case 3:
		return RIG_HIGH + rig_random(seed) % RIG_HIGH_SIZE;
	default:
		return RIG_LOW + rig_random(seed) % RIG_LOW_SIZE;
	}
}

/* Any access the guest's CPU could make to the device's page. */
static void poke_register(struct rig *r, uint64_t *seed)
{
	struct bus_region *reg = &r->dev->region;
	static const unsigned int lens[] = { 4, 4, 4, 4, 1, 2, 8 };
	unsigned int len = lens[rig_random(seed) % ARRAY_SIZE(lens)];
	uint64_t off = rig_random(seed) % (VIRTIO_MMIO_LEN - 8);
	uint64_t v = (uint64_t)any_number(seed) << 32 | any_number(seed);

	if (rig_random(seed) % 8)
		off &= ~3ULL;
	if (rig_random(seed) % 3 == 0)
		reg->ops->read(reg, off, &v, len);
	else
		reg->ops->write(reg, off, &v, len);
}

static void scribble_on_rings(struct rig *r, struct rig_queue *q,
			      uint64_t *seed)
{
	uint16_t i = (uint16_t)(rig_random(seed) % q->size);

	q->desc[i] = (struct vring_desc){
		.addr = any_address(seed),
		.len = any_number(seed),
		.flags = (uint16_t)(rig_random(seed) % 8 ?
				    rig_random(seed) % 4 : rig_random(seed)),
		.next = (uint16_t)(rig_random(seed) % (q->size + 2u)),
	};
	q->avail->ring[rig_random(seed) % (q->size + 1u)] =
		(uint16_t)(rig_random(seed) % (q->size + 2u));
	if (rig_random(seed) % 2)
		q->avail->idx = (uint16_t)(q->avail->idx +
					   rig_random(seed) % 3);
	if (rig_random(seed) % 64 == 0)
		q->avail->idx = (uint16_t)rig_random(seed);
	if (rig_random(seed) % 16 == 0)
		q->avail->flags = (uint16_t)rig_random(seed);
}

/* A chain that is well formed as such, with odd contents. */
static void odd_chain(struct rig *r, unsigned int queue, uint64_t *seed)
{
	struct rig_seg segs[6];
	unsigned int n = 1 + rig_random(seed) % ARRAY_SIZE(segs);
	unsigned int out = rig_random(seed) % (n + 1);
	uint64_t heap = RIG_LOW + 8 * MIB;

	for (unsigned int i = 0; i < n; i++) {
		segs[i] = (struct rig_seg){
			heap + rig_random(seed) % (4 * MIB),
			rig_random(seed) % 8 ? rig_random(seed) % 600 :
					       rig_random(seed) % 70000,
			i >= out,
		};
		if (i < out)
			for (unsigned int k = 0; k < segs[i].len && k < 64; k++)
				((uint8_t *)rig_ptr(r, segs[i].gpa))[k] =
					(uint8_t)any_number(seed);
	}
	rig_add(r, queue, segs, n);
}

void rig_fuzz(struct rig *r, struct virtio_mmio *dev, uint64_t seed, int ms)
{
	uint64_t end = now_ns() + (uint64_t)ms * 1000000;
	unsigned int nr = dev->ops->nr_queues, turn = 0;

	rig_start(r, dev, RIG_FEATURES | dev->offered);
	while (now_ns() < end) {
		unsigned int queue = rig_random(&seed) % nr;

		if (rig_broken(r) || rig_random(&seed) % 512 == 0) {
			uint64_t f = RIG_FEATURES;

			if (rig_random(&seed) % 2)
				f &= ~(1ULL << 29);
			rig_start(r, dev, f);
		}
		switch (rig_random(&seed) % 8) {
		case 0:
			poke_register(r, &seed);
			break;
		case 1:
		case 2:
			scribble_on_rings(r, &r->q[queue], &seed);
			break;
		default:
			odd_chain(r, queue, &seed);
			break;
		}
		rig_write(r, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
		if (++turn % 4 == 0)
			rig_run(r);
		rig_irqs(r);
	}
	rig_start(r, dev, RIG_FEATURES);
}
