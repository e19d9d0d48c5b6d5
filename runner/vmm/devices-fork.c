/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/devices-fork.c - what a live fork does to the devices
 *
 * Runs in podflare-vmm on the main thread, no vCPU running.  Devices' state is
 * plain memory, which a child of fork(2) has; here is what is not: files and
 * descriptors.  Clone.c says in which order.
 */
#include "runner/vmm/devices.h"

/* Return: the disk, NULL when it is none that gets a new top. */
static struct cow_disk *writable(const struct devices *d, unsigned int i)
{
	const struct device_disk *dd = &d->disks[i];

	if (!dd->is_cow || dd->disk->read_only)
		return NULL;
	return (struct cow_disk *)&dd->cow;
}

int devices_count_tops(const struct devices *d, struct err *err)
{
	int n = 0;

	for (unsigned int i = 0; i < d->nr_disks; i++) {
		struct cow_disk *c = writable(d, i);

		if (!c && !d->disks[i].disk->read_only)
			return err_set(err, ERR_STATE, "disk %u is a plain file "
				       "that is written to: it cannot be "
				       "forked", i + 1);
		if (c && cow_may_push(c, err) < 0)
			return -1;
		n += c != NULL;
	}
	return n;
}

int devices_load_tops(const struct devices *d, int *fds,
		      struct device_tops *tops, struct err *err)
{
	tops->nr = 0;
	for (unsigned int i = 0; i < d->nr_disks; i++) {
		struct cow_disk *c = writable(d, i);
		int fd;

		if (!c)
			continue;
		fd = fds[tops->nr];
		fds[tops->nr] = -1;
		if (cow_layer_load(c, fd, &tops->layer[tops->nr], err) < 0) {
			err_context(err, "disk %u", i + 1);
			devices_drop_tops(tops);
			return -1;
		}
		tops->nr++;
	}
	return 0;
}

void devices_drop_tops(struct device_tops *tops)
{
	for (unsigned int i = 0; i < tops->nr; i++)
		cow_layer_close(&tops->layer[i]);
	tops->nr = 0;
}

uint32_t devices_freeze_tops(struct devices *d)
{
	uint32_t kept = 0;
	unsigned int n = 0;

	for (unsigned int i = 0; i < d->nr_disks; i++) {
		struct cow_disk *c = writable(d, i);

		if (!c)
			continue;
		if (!cow_freeze(c))
			kept |= 1u << n;
		n++;
	}
	return kept;
}

void devices_thaw_tops(struct devices *d)
{
	for (unsigned int i = 0; i < d->nr_disks; i++) {
		struct cow_disk *c = writable(d, i);

		if (c)
			cow_thaw(c);
	}
}

void devices_push_tops(struct devices *d, struct device_tops *tops,
		       uint32_t kept, bool child)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < d->nr_disks; i++) {
		struct cow_disk *c = writable(d, i);
		bool keep;

		if (!c)
			continue;
		keep = kept >> n & 1;
		if (keep && child)
			cow_drop_top(c);
		if (!keep || child)
			cow_push(c, &tops->layer[n]);
		n++;
	}
	/* those that were pushed are closed already */
	devices_drop_tops(tops);
}

void devices_end_resets(struct devices *d)
{
	for (unsigned int i = 0; i < d->nr_virtio; i++) {
		virtio_mmio_lock(d->virtio[i]);
		virtio_mmio_unlock(d->virtio[i]);
	}
}

void devices_close_fds(struct devices *d)
{
	console_close_fds(&d->console);
	for (unsigned int i = 0; i < d->nr_virtio; i++)
		virtio_mmio_close_fds(d->virtio[i]);
	for (unsigned int i = 0; i < LAYOUT_VIRTIO_MAX; i++)
		irq_free(&d->irqs[i]);
	irq_free(&d->com1_irq);
}

int devices_forget(struct devices *d, int log_fd, struct err *err)
{
	devices_close_fds(d);
	vsock_abandon(&d->vsock);
	if (d->net_ready)
		virtio_net_abandon(&d->net);
	for (unsigned int i = 0; i < d->nr_disks; i++) {
		struct virtio_blk *b = &d->disks[i].blk;

		b->bytes_read = b->bytes_written = b->flushes = 0;
	}
	return console_relog(&d->console, log_fd, err);
}

int devices_reopen(struct devices *d, struct err *err)
{
	if (irq_init(&d->com1_irq, err) < 0 ||
	    console_open_fds(&d->console, err) < 0)
		return -1;
	for (unsigned int i = 0; i < d->nr_virtio; i++)
		if (irq_init(&d->irqs[i], err) < 0 ||
		    virtio_mmio_open_fds(d->virtio[i], err) < 0)
			return -1;
	return 0;
}

void devices_repeat(struct devices *d)
{
	for (unsigned int i = 0; i < d->nr_virtio; i++)
		virtio_mmio_repeat(d->virtio[i]);
	serial_kick(&d->console.serial);
}

size_t devices_kept_fds(const struct devices *d, int *fds)
{
	size_t n = 0;

	for (unsigned int i = 0; i < d->nr_disks; i++) {
		const struct device_disk *dd = &d->disks[i];

		if (!dd->is_cow) {
			fds[n++] = dd->raw.fd;
			continue;
		}
		fds[n++] = dd->cow.bottom;
		for (unsigned int l = 0; l < dd->cow.nr; l++)
			fds[n++] = dd->cow.layers[l].fd;
	}
	return n;
}
