/* SPDX-License-Identifier: MIT */
/* tests/unit/vq-driver.c - the driver side of a virtio device */
#include "tests/unit/vq-driver.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* A page that nothing may touch lies around each slot. */
static uint8_t *map_slot(size_t len)
{
	uint8_t *p = mmap(NULL, len + 8192, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + 4096, len, PROT_READ | PROT_WRITE), 0);
	return p + 4096;
}

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	log_init("test", LOG_ERROR);
	r->mem.nr_slots = 2;
	r->mem.slots[0] = (struct memory_slot){
		RIG_LOW, RIG_LOW_SIZE, map_slot(RIG_LOW_SIZE),
	};
	r->mem.slots[1] = (struct memory_slot){
		RIG_HIGH, RIG_HIGH_SIZE, map_slot(RIG_HIGH_SIZE),
	};
	r->mem.ram = RIG_LOW_SIZE + RIG_HIGH_SIZE;
	r->heap = RIG_LOW;
	assert_int_equal(loop_init(&r->loop, NULL), 0);
	assert_int_equal(irq_init(&r->irq, NULL), 0);
	r->env = (struct virtio_env){ &r->mem, &r->irq, &r->loop };
}

void rig_free(struct rig *r)
{
	for (unsigned int i = 0; i < r->mem.nr_slots; i++)
		munmap(r->mem.slots[i].host - 4096,
		       r->mem.slots[i].size + 8192);
	loop_free(&r->loop);
	irq_free(&r->irq);
}

uint64_t rig_alloc(struct rig *r, size_t len)
{
	uint64_t at = r->heap;

	r->heap += ALIGN_UP(len, (size_t)4096);
	assert_true(r->heap <= RIG_LOW + RIG_LOW_SIZE);
	memset(rig_ptr(r, at), 0, len);
	return at;
}

void *rig_ptr(struct rig *r, uint64_t gpa)
{
	void *p = memory_ptr(&r->mem, gpa, 1);

	assert_non_null(p);
	return p;
}

uint32_t rig_read(struct rig *r, uint32_t reg)
{
	uint32_t v;

	r->dev->region.ops->read(&r->dev->region, reg, &v, 4);
	return v;
}

void rig_write(struct rig *r, uint32_t reg, uint32_t v)
{
	r->dev->region.ops->write(&r->dev->region, reg, &v, 4);
}

void rig_negotiate(struct rig *r, struct virtio_mmio *dev, uint64_t features)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

	r->dev = dev;
	rig_write(r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_STATUS), 0);
	rig_write(r, VIRTIO_MMIO_STATUS, status);
	status |= VIRTIO_CONFIG_S_DRIVER;
	rig_write(r, VIRTIO_MMIO_STATUS, status);
	for (uint32_t i = 0; i < 2; i++) {
		rig_write(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		rig_write(r, VIRTIO_MMIO_DRIVER_FEATURES,
			  (uint32_t)(features >> (32 * i)));
	}
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	rig_write(r, VIRTIO_MMIO_STATUS, status);
}

void rig_queue_alloc(struct rig *r, unsigned int queue, uint16_t size)
{
	struct rig_queue *q = &r->q[queue];

	memset(q, 0, sizeof(*q));
	q->size = size;
	q->desc_gpa = rig_alloc(r, 16u * size);
	q->avail_gpa = rig_alloc(r, 6 + 2u * size);
	q->used_gpa = rig_alloc(r, 6 + 8u * size);
	q->desc = rig_ptr(r, q->desc_gpa);
	q->avail = rig_ptr(r, q->avail_gpa);
	q->used = rig_ptr(r, q->used_gpa);
}

void rig_queue_setup(struct rig *r, unsigned int queue)
{
	const struct rig_queue *q = &r->q[queue];

	rig_write(r, VIRTIO_MMIO_QUEUE_SEL, queue);
	rig_write(r, VIRTIO_MMIO_QUEUE_NUM, q->size);
	rig_write(r, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)q->desc_gpa);
	rig_write(r, VIRTIO_MMIO_QUEUE_DESC_HIGH,
		  (uint32_t)(q->desc_gpa >> 32));
	rig_write(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)q->avail_gpa);
	rig_write(r, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
		  (uint32_t)(q->avail_gpa >> 32));
	rig_write(r, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)q->used_gpa);
	rig_write(r, VIRTIO_MMIO_QUEUE_USED_HIGH,
		  (uint32_t)(q->used_gpa >> 32));
	rig_write(r, VIRTIO_MMIO_QUEUE_READY, 1);
}

void rig_start(struct rig *r, struct virtio_mmio *dev, uint64_t features)
{
	rig_negotiate(r, dev, features);
	for (unsigned int i = 0; i < dev->ops->nr_queues; i++) {
		if (!r->q[i].size)
			rig_queue_alloc(r, i, dev->ops->queue_max);
		memset(r->q[i].desc, 0, 16u * r->q[i].size);
		memset(r->q[i].avail, 0, 6 + 2u * r->q[i].size);
		memset(r->q[i].used, 0, 6 + 8u * r->q[i].size);
		r->q[i].next_desc = r->q[i].used_seen = 0;
		rig_queue_setup(r, i);
		assert_int_equal(rig_read(r, VIRTIO_MMIO_QUEUE_READY), 1);
	}
	rig_write(r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE |
		  VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
		  VIRTIO_CONFIG_S_DRIVER_OK);
	rig_run(r);
	assert_false(rig_broken(r));
}

uint16_t rig_add(struct rig *r, unsigned int queue, const struct rig_seg *segs,
		 unsigned int n)
{
	struct rig_queue *q = &r->q[queue];
	uint16_t head = q->next_desc;

	for (unsigned int i = 0; i < n; i++) {
		struct vring_desc *d = &q->desc[q->next_desc];

		q->next_desc = (uint16_t)((q->next_desc + 1) % q->size);
		*d = (struct vring_desc){
			.addr = segs[i].gpa,
			.len = segs[i].len,
			.flags = (uint16_t)((segs[i].write ? VRING_DESC_F_WRITE
							   : 0) |
				 (i + 1 < n ? VRING_DESC_F_NEXT : 0)),
			.next = i + 1 < n ? q->next_desc : 0,
		};
	}
	q->avail->ring[q->avail->idx % q->size] = head;
	__atomic_store_n(&q->avail->idx, (uint16_t)(q->avail->idx + 1),
			 __ATOMIC_RELEASE);
	return head;
}

void rig_kick(struct rig *r, unsigned int queue)
{
	rig_write(r, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	rig_run(r);
}

void rig_wait(struct rig *r, int ms)
{
	assert_int_equal(loop_once(&r->loop, ms), 0);
}

void rig_run(struct rig *r)
{
	int n;

	do {
		struct epoll_event e;

		rig_wait(r, 0);
		n = epoll_wait(r->loop.epfd, &e, 1, 0);
	} while (n > 0);
}

bool rig_used(struct rig *r, unsigned int queue, struct vring_used_elem *e)
{
	struct rig_queue *q = &r->q[queue];

	if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->used_seen)
		return false;
	*e = q->used->ring[q->used_seen % q->size];
	q->used_seen++;
	/* used_event: interrupt me at the next one */
	q->avail->ring[q->size] = q->used_seen;
	return true;
}

uint64_t rig_irqs(struct rig *r)
{
	uint64_t n = 0;

	if (read(r->irq.fd, &n, sizeof(n)) < 0)
		return 0;
	return n;
}

bool rig_broken(struct rig *r)
{
	return rig_read(r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}
