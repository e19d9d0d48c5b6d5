/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-mmio.h - the virtio-mmio transport, version 2
 *
 * Threads: registers are accessed by the vCPU threads, queues are worked on by
 * the thread of the loop; one mutex per device.  The device's own state (all of
 * ops) belongs to the loop's thread alone.
 *
 * File descriptors are in struct virtio_kick; the rest is plain memory.
 */
#ifndef PODFLARE_VMM_VIRTIO_MMIO_H
#define PODFLARE_VMM_VIRTIO_MMIO_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/log.h"
#include "common/loop.h"
#include "runner/vmm/bus.h"
#include "runner/vmm/irq.h"
#include "runner/vmm/virtq.h"

#define VIRTIO_MMIO_LEN 0x200	/* bytes of its bus region */
#define VIRTIO_QUEUES_MAX 3

struct virtio_mmio;
/* Outlives the device. */
struct virtio_env {
	const struct guest_memory *mem;
	const struct irq_line *irq;
	struct loop *loop;
};

/* A kind of device. Both callbacks run locked, on the loop's thread. */
struct virtio_ops {
	const char *name;	/* in logs */
	uint32_t id;		/* VIRTIO_ID_* */
	unsigned int nr_queues;
	uint16_t queue_max;	/* at most VIRTQ_SIZE_MAX */
	/* The driver kicked this queue, or has just said DRIVER_OK. */
	void (*notify)(struct virtio_mmio *d, unsigned int queue);
	/* The driver reset the device: drop what belongs to the old queues.
	 * May be NULL. Runs before any notify of the new ones. */
	void (*reset)(struct virtio_mmio *d);
};

struct virtio_kick {
	struct loop_watch watch;
	struct virtio_mmio *dev;
	int fd;			/* eventfd, -1: none */
};

struct virtio_mmio {
	struct bus_region region;	/* vm.c sets the base and adds it */
	const struct virtio_ops *ops;
	struct virtio_env env;
	const void *config;		/* device config space, see lock */
	size_t config_len;
	uint64_t offered;		/* feature bits */

	pthread_mutex_t lock;		/* guards config and all below but isr */
	atomic_uint isr;		/* InterruptStatus */
	uint32_t generation;		/* of config */
	uint64_t features;		/* what the driver accepts */
	uint32_t features_sel, driver_features_sel;
	uint32_t status;
	uint32_t queue_sel;
	bool reset_pending;		/* ops->reset is still to be called */
	bool irq_pending;		/* the driver is to be interrupted */
	struct virtq_config setup[VIRTIO_QUEUES_MAX];	/* being written */
	struct virtq queues[VIRTIO_QUEUES_MAX];
	struct ratelimit log_limit;

	struct virtio_kick kicks[VIRTIO_QUEUES_MAX];
};

/* @param features the device's own; the transport's are added
 * @param config not owned, config_len bytes. The kick fds are open after it.
 * Return: 0, or -1 with @err and nothing to free. */
int virtio_mmio_init(struct virtio_mmio *d, const struct virtio_ops *ops,
		     const struct virtio_env *env, uint64_t features,
		     const void *config, size_t config_len, struct err *err);
/* No vCPU runs any more. */
void virtio_mmio_free(struct virtio_mmio *d);

/* Make the kick eventfds and watch them; in a child of fork(2), after the loop
 * was made anew and with the inherited ones closed. Work that was waiting is
 * kicked again. Return: 0, or -1 with @err. */
int virtio_mmio_open_fds(struct virtio_mmio *d, struct err *err);
void virtio_mmio_close_fds(struct virtio_mmio *d);
/* Raise the interrupt again if the driver has not acknowledged it: an edge may
 * have been under way when the VM's state was read. */
void virtio_mmio_repeat(struct virtio_mmio *d);
/* For KVM_IOEVENTFD at QueueNotify, datamatch @queue. Return: the eventfd; -1 past
 * the last queue. */
int virtio_mmio_kick_fd(const struct virtio_mmio *d, unsigned int queue);

/* ---- for devices ---- */

/* Take the lock on the loop's thread (timers, sockets; notify has it). */
void virtio_mmio_lock(struct virtio_mmio *d);
void virtio_mmio_unlock(struct virtio_mmio *d);
/* Return: whether queues may be worked on. */
bool virtio_mmio_running(const struct virtio_mmio *d);
/* The driver broke the rules: DEVICE_NEEDS_RESET, and all queues rest. */
void virtio_mmio_fail(struct virtio_mmio *d, const char *why);
/* Tell the driver that the config space was changed (under the lock). */
void virtio_mmio_config_changed(struct virtio_mmio *d);
/* virtq_pop() with its error dealt with. Return: true when @c holds a chain. */
bool virtio_mmio_pop(struct virtio_mmio *d, unsigned int queue,
		     struct virtq_chain *c);
/* Interrupt the driver, at the unlock, if it wants to know of what was pushed:
 * all queues of a turn have one interrupt. */
void virtio_mmio_signal(struct virtio_mmio *d, unsigned int queue);
/* Interrupt it now, before something that takes long. */
void virtio_mmio_interrupt(struct virtio_mmio *d);
/* Have notify called again from the loop: how long work is cut in pieces. */
void virtio_mmio_kick(struct virtio_mmio *d, unsigned int queue);

#endif
