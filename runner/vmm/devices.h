/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/devices.h - the devices of one guest, and how they are wired
 *
 * All that a guest sees besides CPUs and RAM: console, power registers, virtio
 * devices in the order of their addresses and interrupts: disks, vsock, rng, net.
 */
#ifndef PODFLARE_VMM_DEVICES_H
#define PODFLARE_VMM_DEVICES_H

#include "runner/vmm/console.h"
#include "runner/vmm/control.h"
#include "runner/vmm/cowfile.h"
#include "runner/vmm/disk.h"
#include "runner/vmm/virtio-blk.h"
#include "runner/vmm/virtio-net.h"
#include "runner/vmm/virtio-rng.h"
#include "runner/vmm/virtio-vsock.h"
#include "runner/vmm/vm.h"
#include "runner/vmm/x86/layout.h"
#include "runner/vmm/x86/power.h"

struct device_disk {
	union {
		struct disk_raw raw;
		struct cow_disk cow;
	};
	struct disk *disk;		/* the one of the two; NULL: none */
	bool is_cow, blk_ready;
	struct virtio_blk blk;
};

struct devices_setup {
	struct loop *loop;
	int log_fd;			/* console log, not owned */
	uint64_t log_max;
	uint64_t guest_cid;
	unsigned int nr_disks;
	struct ctl_disk disks[CTL_MAX_DISKS];
	int *disk_fds;			/* in order; taken over, set to -1 */
	struct virtio_net_setup net;	/* mtu 0: none; its arg is not used */
	/* loop's thread, possibly locked: must not call back */
	void (*agent_up)(void *arg), (*disk_full)(void *arg);
	void *arg;
};

struct devices {
	struct power power;
	struct irq_line com1_irq;
	struct console console;
	bool console_ready, vsock_ready, rng_ready, net_ready;
	unsigned int nr_disks;
	struct device_disk disks[CTL_MAX_DISKS];
	struct virtio_vsock vsock;
	struct virtio_rng rng;
	struct virtio_net net;
	unsigned int nr_virtio;
	struct virtio_mmio *virtio[LAYOUT_VIRTIO_MAX];	/* by address */
	struct irq_line irqs[LAYOUT_VIRTIO_MAX];
};

/* Make them, on the VM's buses. Return: 0, or -1 with @err; free in either case. */
int devices_init(struct devices *d, struct vm *vm,
		 const struct devices_setup *setup, struct err *err);
/* No vCPU runs any more. Flushes the console, not the disks. */
void devices_free(struct devices *d);
/* Bind interrupts and kicks, after vm_open_kvm(). Return: 0, or -1 with @err. */
int devices_wire(struct devices *d, const struct vm *vm, struct err *err);
/* The vCPUs are parked: carry out what they had asked for, or only resets. */
void devices_settle(struct devices *d);
void devices_end_resets(struct devices *d);
/* Put everything written on stable storage. Return: 0, or -1 with @err. */
int devices_flush(struct devices *d, struct err *err);
/* Their state in a file: put, and get into fresh ones, which are then as
 * devices_forget() leaves them. Return: 0, or -1 with @err. */
void devices_put(struct devices *d, struct statefile_writer *w);
int devices_get(struct devices *d, const struct statefile *f, struct err *err);
/* Fill in what the file says of guest_cid and net. Return: 0, or -1 with @err. */
int devices_saved_setup(const struct statefile *f, struct devices_setup *setup,
			struct err *err);

/* ---- a live fork, see clone.c ---- */

/* Fresh layers for the tops of the writable disks. */
struct device_tops {
	unsigned int nr;
	struct cow_layer layer[CTL_MAX_DISKS];
};

/* Return: how many writable CoW disks there are, -1 with @err: a plain one. */
int devices_count_tops(const struct devices *d, struct err *err);
/* Load a fresh layer for each. @param fds as many; taken over, set to -1
 * Return: 0, or -1 with @err. */
int devices_load_tops(const struct devices *d, int *fds,
		      struct device_tops *tops, struct err *err);
void devices_drop_tops(struct device_tops *tops);
/* Return: bit i for writable disk i: its top was empty and stays. */
uint32_t devices_freeze_tops(struct devices *d);
void devices_thaw_tops(struct devices *d);
/* Put @tops, taken over, on the frozen ones. @param kept of devices_freeze_tops()
 * @param child its tops take the place of the kept ones */
void devices_push_tops(struct devices *d, struct device_tops *tops,
		       uint32_t kept, bool child);
/* In the child: close what is the parent's or one process's only.
 * @param log_fd of the child, not owned. Return: 0, or -1 with @err. */
int devices_forget(struct devices *d, int log_fd, struct err *err);
/* Make eventfds anew, watched; before devices_wire(). Return: 0, or -1 with
 * @err: close them. */
int devices_reopen(struct devices *d, struct err *err);
void devices_close_fds(struct devices *d);
/* After devices_wire(): interrupts that were under way are raised again. */
void devices_repeat(struct devices *d);
/* The descriptors that a child keeps, into @fds. Return: how many. */
size_t devices_kept_fds(const struct devices *d, int *fds);
#define DEVICES_KEPT_FDS (CTL_MAX_DISKS * CTL_MAX_LAYERS)

/* Fill in the status's figures about devices. */
void devices_status(struct devices *d, struct ctl_status *st);

#endif
