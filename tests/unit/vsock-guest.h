/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/vsock-guest.h - the guest's end of a vsock device
 *
 * Sends packets through the tx queue and takes them from the rx queue of a rig
 * (vq-driver.h), as Linux does: header and payload in one buffer of 4 KiB.
 */
#ifndef PODFLARE_TESTS_VSOCK_GUEST_H
#define PODFLARE_TESTS_VSOCK_GUEST_H

#include "runner/vmm/virtio-vsock.h"
#include "tests/unit/vq-driver.h"

#define GUEST_CID 3
#define GUEST_RX_LEN 4096

struct vguest {
	struct rig rig;
	struct virtio_vsock vsock;
	uint64_t rx[VIRTQ_SIZE_MAX];	/* the buffer behind each rx head */
	uint64_t tx;			/* 64 KiB and a header */
	unsigned int agent_ups;
	uint32_t buf_alloc, fwd_cnt;	/* put into packets */
	/* of the last connect */
	unsigned int done;
	int error, fd;
	uint64_t token;
};

/* A packet as the guest got it. */
struct vpacket {
	struct virtio_vsock_hdr h;
	uint8_t data[GUEST_RX_LEN];
};

void vguest_init(struct vguest *g);
void vguest_free(struct vguest *g);
/* Reset the device, start it again, with @bufs rx buffers. */
void vguest_start(struct vguest *g, unsigned int bufs);
void vguest_add_rx(struct vguest *g, unsigned int bufs);
/* Send one packet of the connection of @h (its ports as we would answer). */
void vguest_send(struct vguest *g, uint16_t op, uint32_t host_port,
		 uint32_t guest_port, uint32_t flags, const void *data,
		 uint32_t len);
/* Without kick. */
void vguest_queue(struct vguest *g, const struct virtio_vsock_hdr *h,
		  uint32_t len);
/* The next packet; its buffer goes back. Return: false when there is none. */
bool vguest_recv(struct vguest *g, struct vpacket *p);
/* The next packet must be there and of this kind. */
void vguest_expect(struct vguest *g, struct vpacket *p, uint16_t op);
void vguest_expect_nothing(struct vguest *g);
void vguest_agent_up(struct vguest *g);
/* Start a connect to port 1024 (result in g->done ...). */
int vguest_connect(struct vguest *g, uint32_t timeout_ms);
/* All of it. Return: the socket; @p is the REQUEST. */
int vguest_open(struct vguest *g, struct vpacket *p);

#endif
