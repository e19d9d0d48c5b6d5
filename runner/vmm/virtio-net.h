/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-net.h - virtio network device (virtio 1.2, 5.1)
 *
 * One pair of queues.  The wire is a SOCK_SEQPACKET Unix socket, one Ethernet
 * frame a message; at its other end is the back end, another process.
 *
 * Theory of operation: a device has no back end until its guest sends a frame.
 * It then asks for one (setup.wanted) and holds the frame, in its queue, until
 * virtio_net_attach(); when nobody answers in NET_WAIT_MS what waits is dropped,
 * and the next frame asks again.  A back end that ends takes the link down for
 * NET_DOWN_MS; then it is as at first.
 *
 *	IDLE --frame--> WANTED --attach--> ATTACHED --end of it--> DOWN --> IDLE
 *
 * No offload is offered: the wire carries no header that could tell of one.
 * Large frames (an MTU up to NET_MTU_MAX) save what segmentation would.
 */
#ifndef PODFLARE_VMM_VIRTIO_NET_H
#define PODFLARE_VMM_VIRTIO_NET_H

#include <linux/virtio_net.h>

#include "runner/vmm/virtio-mmio.h"

#define NET_MTU_MIN 1280	/* IPv6 needs it */
#define NET_MTU_MAX 65520
#define NET_FRAME_MIN 14	/* an Ethernet header */
#define NET_FRAME_MAX (NET_FRAME_MIN + NET_MTU_MAX)
#define NET_WAIT_MS 2000
#define NET_DOWN_MS 1000
#define NET_FLAP_MS 100		/* after a fork */

enum { NET_RX, NET_TX, NET_QUEUES };

enum net_state { NET_IDLE, NET_WANTED, NET_ATTACHED, NET_DOWN };

struct virtio_net_setup {
	uint8_t mac[6];
	uint16_t mtu;		/* NET_MTU_MIN to NET_MTU_MAX */
	/* The guest has something to send: virtio_net_attach(), please. At most
	 * one call in a second. Locked, loop's thread: must not call back. */
	void (*wanted)(void *arg);
	void *arg;
};

struct virtio_net {
	struct virtio_mmio mmio;
	struct virtio_net_setup setup;
	struct virtio_net_config config;
	struct virtq_chain chain;
	enum net_state state;
	struct loop_watch backend;	/* its socket, owned */
	struct loop_timer timer;	/* of WANTED and DOWN */
	uint32_t events;		/* what it waits for there: EPOLL* */
	bool tx_blocked;	/* the socket is full */
	bool used;		/* there was a back end: flows may be there */
	uint32_t held;		/* bytes of the frame that waits for the guest's
				 * buffers, 0: none; the socket is not read then */
	uint16_t rx_seen;	/* the avail index that was not enough for it */
	uint8_t frame[NET_FRAME_MAX];
	struct virtq_pushed pushed[VIRTQ_SIZE_MAX];
	uint64_t rx_frames, tx_frames, rx_dropped, tx_dropped;
};

/* Return: whether address and MTU are what a card may have: a unicast address
 * that is locally administered. */
bool virtio_net_setup_ok(const struct virtio_net_setup *setup);
/* Return: 0, or -1 with @err. */
int virtio_net_init(struct virtio_net *n, const struct virtio_env *env,
		    const struct virtio_net_setup *setup, struct err *err);
void virtio_net_free(struct virtio_net *n);
/* A back end's socket, taken over; in place of the one before. Return: 0, or -1
 * with @err: closed. */
int virtio_net_attach(struct virtio_net *n, int fd, struct err *err);
/* In a child of fork(2), or after a restore: the back end is another's. If there
 * was one the guest sees the link go down, and up. */
void virtio_net_abandon(struct virtio_net *n);

#endif
