/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-regs.c - the registers of virtio-mmio, version 2
 *
 * virtio 1.2, 4.2.2; status and set-up order: 3.1.  Runs on the vCPU threads,
 * under the device's lock but for the two registers that an interrupt handler
 * and a kick touch. Distrusts the driver: any register in any order.
 *
 * Theory of operation: features can be written between DRIVER and FEATURES_OK,
 * queues be set up between FEATURES_OK and DRIVER_OK and only while they are
 * not ready.  Anything else changes nothing and makes the device ask for a
 * reset.  Writing 0 to Status resets at any time, at once as far as the guest
 * can see; what the device keeps on the loop's thread is dropped before that
 * thread touches the device again (reset_pending).
 */
#include "runner/vmm/virtio-regs.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#define REG_MAGIC 0x74726976u	/* "virt" */
#define REG_VENDOR 0x46445050u	/* "PPDF" */
#define STATUS_KNOWN (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
		      VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK | \
		      VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)
#define STATUS_DEAD (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)

static void device_reset(struct virtio_mmio *d)
{
	unsigned int i;

	for (i = 0; i < d->ops->nr_queues; i++)
		virtq_stop(&d->queues[i]);
	memset(d->setup, 0, sizeof(d->setup));
	d->status = 0;
	d->features = 0;
	d->features_sel = 0;
	d->driver_features_sel = 0;
	d->queue_sel = 0;
	d->irq_pending = false;
	atomic_store(&d->isr, 0);
	d->reset_pending = true;
	virtio_mmio_kick(d, 0);
}

/* Each status bit needs the one before it (3.1.1). */
static bool status_ordered(uint32_t v)
{
	static const uint32_t order[] = {
		VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER,
		VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER_OK,
	};
	unsigned int i;

	for (i = 1; i < ARRAY_SIZE(order); i++)
		if ((v & order[i]) && !(v & order[i - 1]))
			return false;
	return true;
}

static void status_write(struct virtio_mmio *d, uint32_t v)
{
	uint32_t old = d->status, set = v & ~old;
	unsigned int i;

	if (v == 0) {
		device_reset(d);
		return;
	}
	if (old & STATUS_DEAD) {
		d->status |= v & VIRTIO_CONFIG_S_FAILED;
		return;
	}
	if ((v & ~STATUS_KNOWN) || (v & VIRTIO_CONFIG_S_NEEDS_RESET) ||
	    (old & ~v) || !status_ordered(v)) {
		virtio_mmio_fail(d, "status bits out of order");
		return;
	}
	if ((set & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((d->features & ~d->offered) ||
	     !(d->features & (1ULL << VIRTIO_F_VERSION_1)))) {
		/* Refused by leaving the bit clear: the driver reads it back. */
		if (set & VIRTIO_CONFIG_S_DRIVER_OK)
			virtio_mmio_fail(d, "features were not accepted");
		else
			d->status = v & ~VIRTIO_CONFIG_S_FEATURES_OK;
		return;
	}
	d->status = v;
	if (!(set & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	for (i = 0; i < d->ops->nr_queues; i++)
		virtio_mmio_kick(d, i);
}

static void features_write(struct virtio_mmio *d, uint32_t v)
{
	unsigned int shift = d->driver_features_sel * 32;

	if (!(d->status & VIRTIO_CONFIG_S_DRIVER) ||
	    (d->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		virtio_mmio_fail(d, "features written out of order");
	} else if (d->driver_features_sel > 1) {
		if (v != 0)
			virtio_mmio_fail(d, "features past the 64th");
	} else {
		d->features &= ~(0xffffffffULL << shift);
		d->features |= (uint64_t)v << shift;
	}
}

static void queue_ready_write(struct virtio_mmio *d, uint32_t v)
{
	struct virtq *q = &d->queues[d->queue_sel];

	if (v == 0) {
		virtq_stop(q);
	} else if (v != 1 || q->ready) {
		virtio_mmio_fail(d, "queue made ready twice");
	} else if (virtq_start(q, d->env.mem, &d->setup[d->queue_sel],
			       d->ops->queue_max, d->features &
			       (1ULL << VIRTIO_RING_F_EVENT_IDX)) < 0) {
		virtio_mmio_fail(d, q->why);
	}
}

static void set_half(uint64_t *addr, unsigned int shift, uint32_t v)
{
	*addr &= ~(0xffffffffULL << shift);
	*addr |= (uint64_t)v << shift;
}

static void queue_write(struct virtio_mmio *d, uint64_t reg, uint32_t v)
{
	struct virtq_config *cfg;

	if (d->status & STATUS_DEAD)
		return;
	/* A driver that goes away clears the ready bit after its reset. */
	if (reg == VIRTIO_MMIO_QUEUE_READY && v == 0 && d->status == 0)
		return;
	if (!(d->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    (d->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		virtio_mmio_fail(d, "queue set up out of order");
		return;
	}
	if (d->queue_sel >= d->ops->nr_queues) {
		virtio_mmio_fail(d, "no such queue");
		return;
	}
	if (reg == VIRTIO_MMIO_QUEUE_READY) {
		queue_ready_write(d, v);
		return;
	}
	if (d->queues[d->queue_sel].ready) {
		virtio_mmio_fail(d, "queue changed while it is ready");
		return;
	}
	cfg = &d->setup[d->queue_sel];
	switch (reg) {
	case VIRTIO_MMIO_QUEUE_NUM:
		cfg->size = v;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&cfg->desc, reg == VIRTIO_MMIO_QUEUE_DESC_LOW ? 0 : 32,
			 v);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&cfg->avail,
			 reg == VIRTIO_MMIO_QUEUE_AVAIL_LOW ? 0 : 32, v);
		break;
	default:
		set_half(&cfg->used, reg == VIRTIO_MMIO_QUEUE_USED_LOW ? 0 : 32,
			 v);
		break;
	}
}

static void reg_write(struct virtio_mmio *d, uint64_t reg, uint32_t v)
{
	switch (reg) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		d->features_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		d->driver_features_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		features_write(d, v);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		d->queue_sel = v;
		break;
	case VIRTIO_MMIO_STATUS:
		status_write(d, v);
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_READY:
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		queue_write(d, reg, v);
		break;
	default:
		break;	/* read-only or reserved: ignored */
	}
}

static uint32_t reg_read(struct virtio_mmio *d, uint64_t reg)
{
	bool queue = d->queue_sel < d->ops->nr_queues;

	switch (reg) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return REG_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return d->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return REG_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		if (d->features_sel > 1)
			return 0;
		return (uint32_t)(d->offered >> (d->features_sel * 32));
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? d->ops->queue_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue ? d->queues[d->queue_sel].ready : 0;
	case VIRTIO_MMIO_STATUS:
		return d->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return d->generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:	/* there is no shared memory: -1 */
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;
	default:
		return 0;	/* write-only, reserved */
	}
}

static void regs_read(struct bus_region *r, uint64_t off, void *data,
		      unsigned int len)
{
	struct virtio_mmio *d = container_of(r, struct virtio_mmio, region);
	uint32_t v;

	memset(data, 0, len);
	if (off >= VIRTIO_MMIO_CONFIG) {
		off -= VIRTIO_MMIO_CONFIG;
		if (off >= d->config_len)
			return;
		pthread_mutex_lock(&d->lock);
		memcpy(data, (const uint8_t *)d->config + off,
		       MIN(len, d->config_len - off));
		pthread_mutex_unlock(&d->lock);
		return;
	}
	if (len != 4 || off % 4 != 0)
		return;
	if (off == VIRTIO_MMIO_INTERRUPT_STATUS) {
		v = atomic_load(&d->isr);
	} else {
		pthread_mutex_lock(&d->lock);
		v = reg_read(d, off);
		pthread_mutex_unlock(&d->lock);
	}
	memcpy(data, &v, 4);
}

static void regs_write(struct bus_region *r, uint64_t off, const void *data,
		       unsigned int len)
{
	struct virtio_mmio *d = container_of(r, struct virtio_mmio, region);
	uint32_t v;

	if (len != 4 || off % 4 != 0 || off >= VIRTIO_MMIO_CONFIG)
		return;
	memcpy(&v, data, 4);
	switch (off) {
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		if (v < d->ops->nr_queues)
			virtio_mmio_kick(d, v);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		atomic_fetch_and(&d->isr, ~v);
		break;
	default:
		pthread_mutex_lock(&d->lock);
		reg_write(d, off, v);
		pthread_mutex_unlock(&d->lock);
		break;
	}
}

const struct bus_ops virtio_regs_ops = {
	.read = regs_read,
	.write = regs_write,
};
