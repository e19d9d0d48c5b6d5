/* SPDX-License-Identifier: MIT */
/* tests/unit/vsock-guest.c - the guest's end of a vsock device */
#include "tests/unit/vsock-guest.h"

#include "common/agent.h"
#include "tests/unit/unit.h"

#define TX_SLOTS 64

static void on_agent_up(void *arg)
{
	((struct vguest *)arg)->agent_ups++;
}

static void on_done(void *arg, uint64_t token, int error, int fd)
{
	struct vguest *g = arg;

	g->done++;
	g->token = token;
	g->error = error;
	g->fd = fd;
}

void vguest_init(struct vguest *g)
{
	struct virtio_vsock_setup s = {
		.guest_cid = GUEST_CID, .agent_up = on_agent_up, .arg = g,
	};

	memset(g, 0, sizeof(*g));
	rig_init(&g->rig);
	g->fd = -1;
	g->buf_alloc = 256 * 1024;
	for (int i = 0; i < VIRTQ_SIZE_MAX; i++)
		g->rx[i] = rig_alloc(&g->rig, GUEST_RX_LEN);
	g->tx = rig_alloc(&g->rig, TX_SLOTS * (65536 + 4096));
	assert_int_equal(virtio_vsock_init(&g->vsock, &g->rig.env, &s, NULL),
			 0);
}

void vguest_free(struct vguest *g)
{
	virtio_vsock_free(&g->vsock);
	rig_free(&g->rig);
}

void vguest_add_rx(struct vguest *g, unsigned int bufs)
{
	while (bufs-- > 0) {
		struct rig_seg seg = {
			g->rx[g->rig.q[VSOCK_RX].next_desc], GUEST_RX_LEN, true,
		};

		rig_add(&g->rig, VSOCK_RX, &seg, 1);
	}
	rig_kick(&g->rig, VSOCK_RX);
}

void vguest_start(struct vguest *g, unsigned int bufs)
{
	rig_start(&g->rig, &g->vsock.mmio, RIG_FEATURES);
	vguest_add_rx(g, bufs);
}

void vguest_queue(struct vguest *g, const struct virtio_vsock_hdr *h,
		  uint32_t len)
{
	unsigned int slot = g->rig.q[VSOCK_TX].avail->idx % TX_SLOTS;
	uint64_t at = g->tx + slot * (65536 + 4096);
	struct rig_seg segs[] = {
		{ at, sizeof(*h), false }, { at + 4096, len, false },
	};

	memcpy(rig_ptr(&g->rig, at), h, sizeof(*h));
	rig_add(&g->rig, VSOCK_TX, segs, len ? 2 : 1);
}

void vguest_send(struct vguest *g, uint16_t op, uint32_t host_port,
		 uint32_t guest_port, uint32_t flags, const void *data,
		 uint32_t len)
{
	unsigned int slot = g->rig.q[VSOCK_TX].avail->idx % TX_SLOTS;
	struct virtio_vsock_hdr h = {
		.src_cid = GUEST_CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = guest_port,
		.dst_port = host_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = g->buf_alloc,
		.fwd_cnt = g->fwd_cnt,
	};
	struct vring_used_elem e;

	if (len)
		memcpy(rig_ptr(&g->rig, g->tx + slot * (65536 + 4096) + 4096),
		       data, len);
	vguest_queue(g, &h, len);
	rig_kick(&g->rig, VSOCK_TX);
	assert_true(rig_used(&g->rig, VSOCK_TX, &e));
}

bool vguest_recv(struct vguest *g, struct vpacket *p)
{
	struct vring_used_elem e;

	rig_run(&g->rig);
	if (!rig_used(&g->rig, VSOCK_RX, &e))
		return false;
	assert_true(e.len >= sizeof(p->h) && e.len <= GUEST_RX_LEN);
	memcpy(&p->h, rig_ptr(&g->rig, g->rx[e.id]), sizeof(p->h));
	assert_int_equal(e.len, sizeof(p->h) + p->h.len);
	memcpy(p->data, rig_ptr(&g->rig, g->rx[e.id] + sizeof(p->h)),
	       p->h.len);
	assert_int_equal(p->h.src_cid, VSOCK_HOST_CID);
	assert_int_equal(p->h.dst_cid, GUEST_CID);
	assert_int_equal(p->h.type, VIRTIO_VSOCK_TYPE_STREAM);
	vguest_add_rx(g, 1);
	return true;
}

void vguest_expect(struct vguest *g, struct vpacket *p, uint16_t op)
{
	assert_true(vguest_recv(g, p));
	assert_int_equal(p->h.op, op);
}

void vguest_expect_nothing(struct vguest *g)
{
	struct vpacket p;

	assert_false(vguest_recv(g, &p));
}

void vguest_agent_up(struct vguest *g)
{
	struct vpacket p;

	vguest_send(g, VIRTIO_VSOCK_OP_REQUEST, AGENT_READY_PORT, 5000, 0,
		    NULL, 0);
	vguest_expect(g, &p, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(p.h.src_port, AGENT_READY_PORT);
	assert_int_equal(p.h.dst_port, 5000);
}

int vguest_connect(struct vguest *g, uint32_t timeout_ms)
{
	static uint64_t token;

	g->done = 0;
	g->fd = -1;
	g->error = -1;
	return vsock_connect(&g->vsock, AGENT_VSOCK_PORT, timeout_ms, on_done,
			     g, ++token);
}

int vguest_open(struct vguest *g, struct vpacket *p)
{
	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_expect(g, p, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(p->h.dst_port, AGENT_VSOCK_PORT);
	assert_int_equal(g->done, 0);
	vguest_send(g, VIRTIO_VSOCK_OP_RESPONSE, p->h.src_port, p->h.dst_port,
		    0, NULL, 0);
	assert_int_equal(g->done, 1);
	assert_int_equal(g->error, 0);
	assert_true(g->fd >= 0);
	return g->fd;
}
