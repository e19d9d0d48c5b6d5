/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/devices.c - the devices of one guest, and how they are wired
 *
 * Owns the devices.  Runs in podflare-vmm on the main thread.  Knows of KVM only
 * that interrupts and kicks are eventfds bound to a VM; the devices know not
 * even that.
 */
#include "runner/vmm/devices.h"

#include <errno.h>
#include <poll.h>

#define SETTLE_ROUNDS 10000
#define QUEUE_NOTIFY 0x50	/* virtio 1.2, 4.2.2: register offset */

/* A device at the next address, with the next interrupt. */
static struct virtio_env virtio_env(struct devices *d, struct vm *vm,
				    const struct devices_setup *s)
{
	return (struct virtio_env){
		.mem = &vm->mem,
		.irq = &d->irqs[d->nr_virtio],
		.loop = s->loop,
	};
}

static void add_virtio(struct devices *d, struct vm *vm, struct virtio_mmio *v)
{
	v->region.base = LAYOUT_VIRTIO_MMIO +
			 d->nr_virtio * LAYOUT_VIRTIO_MMIO_SIZE;
	bus_add(&vm->mmio, &v->region);
	d->virtio[d->nr_virtio++] = v;
}

static int open_disk(struct device_disk *dd, const struct ctl_disk *c, int *fds,
		     struct err *err)
{
	int taken[CTL_MAX_LAYERS];

	for (uint32_t i = 0; i < c->nr_fds; i++) {
		taken[i] = fds[i];
		fds[i] = -1;
	}
	switch ((enum ctl_disk_kind)c->kind) {
	case CTL_DISK_RAW:
		if (disk_raw_open(&dd->raw, taken[0], c->read_only, err) < 0)
			return -1;
		dd->disk = &dd->raw.disk;
		return 0;
	case CTL_DISK_COW:
		if (cow_open(&dd->cow, taken, c->nr_fds, c->read_only, err) < 0)
			return -1;
		dd->disk = &dd->cow.disk;
		dd->is_cow = true;
		return 0;
	case CTL_DISK_NONE:
		break;
	}
	BUG("kind of disk");	/* request.c has checked it */
}

static int add_disks(struct devices *d, struct vm *vm,
		     const struct devices_setup *s, struct err *err)
{
	int *fds = s->disk_fds;

	for (unsigned int i = 0; i < s->nr_disks; i++) {
		struct device_disk *dd = &d->disks[d->nr_disks++];
		struct virtio_env env = virtio_env(d, vm, s);
		struct virtio_blk_setup setup = {
			.disk_full = s->disk_full, .arg = s->arg,
		};

		if (open_disk(dd, &s->disks[i], fds, err) < 0)
			return err_context(err, "disk %u", i + 1);
		fds += s->disks[i].nr_fds;
		setup.disk = dd->disk;
		memcpy(setup.id, s->disks[i].id, sizeof(setup.id));
		if (virtio_blk_init(&dd->blk, &env, &setup, err) < 0)
			return err_context(err, "disk %u", i + 1);
		dd->blk_ready = true;
		add_virtio(d, vm, &dd->blk.mmio);
	}
	return 0;
}

static int add_vsock(struct devices *d, struct vm *vm,
		     const struct devices_setup *s, struct err *err)
{
	struct virtio_env env = virtio_env(d, vm, s);
	struct virtio_vsock_setup setup = {
		.guest_cid = s->guest_cid,
		.agent_up = s->agent_up, .arg = s->arg,
	};

	if (virtio_vsock_init(&d->vsock, &env, &setup, err) < 0)
		return err_context(err, "vsock");
	d->vsock_ready = true;
	add_virtio(d, vm, &d->vsock.mmio);
	return 0;
}

static int add_rng(struct devices *d, struct vm *vm,
		   const struct devices_setup *s, struct err *err)
{
	struct virtio_env env = virtio_env(d, vm, s);

	if (virtio_rng_init(&d->rng, &env, err) < 0)
		return err_context(err, "rng");
	d->rng_ready = true;
	add_virtio(d, vm, &d->rng.mmio);
	return 0;
}

static int add_net(struct devices *d, struct vm *vm,
		   const struct devices_setup *s, struct err *err)
{
	struct virtio_env env = virtio_env(d, vm, s);
	struct virtio_net_setup setup = s->net;

	if (!s->net.mtu)
		return 0;
	setup.arg = s->arg;
	if (virtio_net_init(&d->net, &env, &setup, err) < 0)
		return err_context(err, "network");
	d->net_ready = true;
	add_virtio(d, vm, &d->net.mmio);
	return 0;
}

static int add_console(struct devices *d, struct vm *vm,
		       const struct devices_setup *s, struct err *err)
{
	struct console_log log;

	if (irq_init(&d->com1_irq, err) < 0 ||
	    console_log_init(&log, s->log_fd, s->log_max, err) < 0 ||
	    console_init(&d->console, s->loop, LAYOUT_COM1, &d->com1_irq, &log,
			 err) < 0)
		return -1;
	d->console_ready = true;
	bus_add(&vm->pio, &d->console.serial.region);
	return 0;
}

int devices_init(struct devices *d, struct vm *vm,
		 const struct devices_setup *s, struct err *err)
{
	memset(d, 0, sizeof(*d));
	d->com1_irq.fd = -1;
	for (unsigned int i = 0; i < LAYOUT_VIRTIO_MAX; i++)
		d->irqs[i].fd = -1;
	power_init(&d->power, &vm->env);
	bus_add(&vm->pio, &d->power.region);
	bus_add(&vm->pio, &d->power.i8042);
	for (unsigned int i = 0; i < LAYOUT_VIRTIO_MAX; i++)
		if (irq_init(&d->irqs[i], err) < 0)
			return -1;
	if (add_console(d, vm, s, err) < 0 || add_disks(d, vm, s, err) < 0 ||
	    add_vsock(d, vm, s, err) < 0 || add_rng(d, vm, s, err) < 0 ||
	    add_net(d, vm, s, err) < 0)
		return -1;
	return 0;
}

void devices_free(struct devices *d)
{
	if (d->net_ready)
		virtio_net_free(&d->net);
	if (d->rng_ready)
		virtio_rng_free(&d->rng);
	if (d->vsock_ready)
		virtio_vsock_free(&d->vsock);
	for (unsigned int i = 0; i < d->nr_disks; i++) {
		if (d->disks[i].blk_ready)
			virtio_blk_free(&d->disks[i].blk);
		if (d->disks[i].disk)
			disk_close(d->disks[i].disk);
	}
	if (d->console_ready)
		console_free(&d->console);
	for (unsigned int i = 0; i < LAYOUT_VIRTIO_MAX; i++)
		irq_free(&d->irqs[i]);
	irq_free(&d->com1_irq);
	d->nr_disks = d->nr_virtio = 0;
	d->rng_ready = d->vsock_ready = d->console_ready = false;
	d->net_ready = false;
}

static int wire_virtio(struct devices *d, const struct vm *vm, unsigned int i,
		       struct err *err)
{
	const struct virtio_mmio *v = d->virtio[i];
	int fd;

	if (kvm_bind_irq(&vm->kvm, d->irqs[i].fd, LAYOUT_VIRTIO_GSI + i,
			 err) < 0)
		return -1;
	for (unsigned int q = 0; (fd = virtio_mmio_kick_fd(v, q)) >= 0; q++)
		if (kvm_bind_kick(&vm->kvm, fd, v->region.base + QUEUE_NOTIFY,
				  q, err) < 0)
			return -1;
	return 0;
}

int devices_wire(struct devices *d, const struct vm *vm, struct err *err)
{
	if (kvm_bind_irq(&vm->kvm, d->com1_irq.fd, LAYOUT_COM1_GSI, err) < 0)
		return -1;
	for (unsigned int i = 0; i < d->nr_virtio; i++)
		if (wire_virtio(d, vm, i, err) < 0)
			return -1;
	return 0;
}

/* Kicks wait in their eventfds. A device that works in pieces kicks itself, so
 * that it takes several rounds; nobody adds work meanwhile but the host's side
 * of vsock, and that is held back by the guest's buffers. */
void devices_settle(struct devices *d)
{
	struct pollfd p[LAYOUT_VIRTIO_MAX * VIRTIO_QUEUES_MAX];
	struct virtio_kick *kicks[ARRAY_SIZE(p)];
	nfds_t n = 0;

	for (unsigned int i = 0; i < d->nr_virtio; i++)
		for (unsigned int q = 0; q < VIRTIO_QUEUES_MAX; q++) {
			kicks[n] = &d->virtio[i]->kicks[q];
			p[n] = (struct pollfd){
				.fd = kicks[n]->fd, .events = POLLIN,
			};
			n++;
		}
	for (int round = 0; round < SETTLE_ROUNDS && poll(p, n, 0) > 0; round++)
		for (nfds_t i = 0; i < n; i++)
			if (p[i].revents & POLLIN)
				kicks[i]->watch.cb(&kicks[i]->watch, EPOLLIN);
}

int devices_flush(struct devices *d, struct err *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < d->nr_disks; i++) {
		struct disk *disk = d->disks[i].disk;
		int sys;

		if (!disk || disk->read_only)
			continue;
		sys = -disk->ops->flush(disk);
		if (sys && rc == 0)	/* flush the others nevertheless */
			rc = err_sys(err, sys, "disk %u", i + 1);
	}
	return rc;
}

void devices_status(struct devices *d, struct ctl_status *st)
{
	for (unsigned int i = 0; i < d->nr_disks; i++) {
		st->disk_read += d->disks[i].blk.bytes_read;
		st->disk_written += d->disks[i].blk.bytes_written;
		st->disk_flushes += d->disks[i].blk.flushes;
	}
	if (!d->vsock_ready)
		return;
	st->connections = vsock_connections(&d->vsock) +
			  console_attached(&d->console);
	st->last_activity_ns = d->vsock.activity_ns;
}
