/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-vsock.h - virtio socket device (virtio 1.2, 5.10)
 *
 * Streams only, started by the host only.  Each is joined to one end of a Unix
 * socket pair; the other end is what vsock_connect() gives out.
 */
#ifndef PODFLARE_VMM_VIRTIO_VSOCK_H
#define PODFLARE_VMM_VIRTIO_VSOCK_H

#include <linux/virtio_vsock.h>

#include "runner/vmm/virtio-mmio.h"
#include "runner/vmm/vsock-conn.h"

enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

struct virtio_vsock_setup {
	uint64_t guest_cid;
	/* The guest has connected to AGENT_READY_PORT, for the first time
	 * since the start or a reset of the device. Locked, loop's thread:
	 * must not call back. May be NULL. */
	void (*agent_up)(void *arg);
	void *arg;
};

struct virtio_vsock {
	struct virtio_mmio mmio;
	struct virtio_vsock_setup setup;
	struct virtio_vsock_config config;
	struct vsock_table table;
	struct virtq_chain chain;
	struct loop_timer tx_done;	/* tells of packets taken, if nothing
					 * else does before */
	bool event_pending;	/* a transport reset is to be told */
	bool event_told;	/* it is in a buffer: until the driver gives
				 * that back, it may not have acted on it */
	uint16_t event_mark;	/* of virtq_watch() then */
	uint64_t activity_ns;	/* of the last packet that carried data */
};

/* All memory is allocated here. Return: 0, or -1 with @err. */
int virtio_vsock_init(struct virtio_vsock *v, const struct virtio_env *env,
		      const struct virtio_vsock_setup *setup, struct err *err);
/* Waiting connects are answered with ECANCELED. */
void virtio_vsock_free(struct virtio_vsock *v);

/*
 * Connect to @port of the guest; while the agent is not up yet the connection
 * waits for it. @done is called exactly once, never from inside this call, on
 * the loop's thread, locked (it must not call back):
 * with error 0 and @fd, a blocking stream socket that is the callee's, or with
 * fd -1 and ECONNREFUSED, ETIMEDOUT, ECONNRESET, ECANCELED.
 * @param timeout_ms from now until the guest's answer
 * @param arg, token passed back
 * Return: 0, or a negative errno (EMFILE, ENOSPC: table full); no call then.
 */
int vsock_connect(struct virtio_vsock *v, uint32_t port, uint32_t timeout_ms,
		  vsock_done_fn *done, void *arg, uint64_t token);
/* Give up the connects that wait with this @arg: no call comes any more. */
void vsock_cancel(struct virtio_vsock *v, const void *arg);
/* Return: connections in the table. */
unsigned int vsock_connections(const struct virtio_vsock *v);
/* After fork(2), in the child, without the parent's kick eventfds: drop every
 * connection silently (the parent has them) and tell the guest of a transport
 * reset, as soon as it runs. agent_up() is called when it has heard. */
void vsock_abandon(struct virtio_vsock *v);

#endif
