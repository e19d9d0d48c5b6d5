/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-state.c - a virtio device's registers and queues in a file
 *
 * Runs in podflare-vmm on the main thread, no vCPU running.  Distrusts the file
 * as it distrusts a driver: what a driver could not have brought about is
 * refused, and rings are found anew in guest memory (virtq_start()).
 */
#include "runner/vmm/virtio-state.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

struct queue_section {
	uint32_t size, ready;
	uint64_t desc, avail, used;
	uint16_t avail_next, used_next, used_signalled, reserved;
};

struct virtio_section {
	uint32_t id;		/* VIRTIO_ID_* */
	uint32_t status, isr;
	uint32_t features_sel, driver_features_sel, queue_sel;
	uint64_t features;
	struct queue_section queues[VIRTIO_QUEUES_MAX];
};

void virtio_state_put(struct virtio_mmio *d, unsigned int i,
		      struct statefile_writer *w)
{
	struct virtio_section s = {
		.id = d->ops->id,
		.status = d->status,
		.isr = atomic_load(&d->isr),
		.features_sel = d->features_sel,
		.driver_features_sel = d->driver_features_sel,
		.queue_sel = d->queue_sel,
		.features = d->features,
	};

	for (unsigned int n = 0; n < d->ops->nr_queues; n++) {
		const struct virtq *q = &d->queues[n];
		const struct virtq_config *c = q->ready ? &q->cfg :
							  &d->setup[n];

		s.queues[n] = (struct queue_section){
			.size = c->size, .ready = q->ready,
			.desc = c->desc, .avail = c->avail, .used = c->used,
			.avail_next = q->avail_next, .used_next = q->used_next,
			.used_signalled = q->used_signalled,
		};
	}
	statefile_put(w, &s, sizeof(s), "virtio%u", i);
}

static int set_queue(struct virtio_mmio *d, unsigned int n,
		     const struct queue_section *s, struct err *err)
{
	struct virtq *q = &d->queues[n];

	d->setup[n] = (struct virtq_config){
		.size = s->size, .desc = s->desc, .avail = s->avail,
		.used = s->used,
	};
	virtq_stop(q);
	if (!s->ready)
		return 0;
	if (virtq_start(q, d->env.mem, &d->setup[n], d->ops->queue_max,
			d->features & (1ULL << VIRTIO_RING_F_EVENT_IDX)) < 0)
		return err_set(err, ERR_IO, "state: %s: %s", d->ops->name,
			       q->why);
	q->avail_next = s->avail_next;
	q->used_next = s->used_next;
	q->used_signalled = s->used_signalled;
	return 0;
}

int virtio_state_get(struct virtio_mmio *d, unsigned int i,
		     const struct statefile *f, struct err *err)
{
	struct virtio_section s;

	if (statefile_get(f, &s, sizeof(s), err, "virtio%u", i) < 0)
		return -1;
	if (s.id != d->ops->id)
		return err_set(err, ERR_IO, "state: device %u is of kind %u, "
			       "not %u", i, s.id, d->ops->id);
	if ((s.features & ~d->offered) ||
	    ((s.status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	     !(s.status & VIRTIO_CONFIG_S_FEATURES_OK)))
		return err_set(err, ERR_IO, "state: %s cannot be in that state",
			       d->ops->name);
	d->status = s.status;
	d->features = s.features;
	d->features_sel = s.features_sel;
	d->driver_features_sel = s.driver_features_sel;
	d->queue_sel = s.queue_sel;
	atomic_store(&d->isr, s.isr);
	for (unsigned int n = 0; n < d->ops->nr_queues; n++)
		if (set_queue(d, n, &s.queues[n], err) < 0)
			return -1;
	return 0;
}
