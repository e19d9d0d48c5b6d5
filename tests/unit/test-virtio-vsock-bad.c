/* SPDX-License-Identifier: MIT */
/* tests/unit/test-virtio-vsock-bad.c - hostile guests, slow ones, slow hosts */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "tests/unit/unit.h"
#include "tests/unit/vsock-guest.h"

#define OP(x) VIRTIO_VSOCK_OP_##x

static uint8_t block[65536];

static int setup(void **state)
{
	struct vguest *g = malloc(sizeof(*g));

	vguest_init(g);
	vguest_start(g, 64);
	vguest_agent_up(g);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	vguest_free(*state);
	free(*state);
	return 0;
}

static void answer(struct vguest *g, const struct vpacket *p, uint16_t op,
		   uint32_t flags, const void *data, uint32_t len)
{
	vguest_send(g, op, p->h.src_port, p->h.dst_port, flags, data, len);
}

static void guests_cannot_connect(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	for (uint32_t port = 0; port < 3; port++) {
		vguest_send(g, OP(REQUEST), port, 77, 0, NULL, 0);
		vguest_expect(g, &p, OP(RST));
		assert_int_equal(p.h.src_port, port);
		assert_int_equal(p.h.dst_port, 77);
	}
	assert_int_equal(vsock_connections(&g->vsock), 0);
}

static void packets_of_no_connection_are_reset(void **state)
{
	struct vguest *g = *state;
	static const uint16_t ops[] = { OP(INVALID), OP(RESPONSE), OP(SHUTDOWN),
					OP(RW), OP(CREDIT_UPDATE),
					OP(CREDIT_REQUEST), 8, 0xffff };
	struct vpacket p;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		vguest_send(g, ops[i], 0x40000000, 1024, 0, NULL, 0);
		vguest_expect(g, &p, OP(RST));
	}
	vguest_send(g, OP(RST), 0x40000000, 1024, 0, NULL, 0);
	vguest_expect_nothing(g);
}

static void other_addresses_and_types_are_not_served(void **state)
{
	struct vguest *g = *state;
	struct vpacket open, p;
	int fd = vguest_open(g, &open);
	struct virtio_vsock_hdr good = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID,
		.src_port = open.h.dst_port, .dst_port = open.h.src_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = OP(RW), .len = 4,
		.buf_alloc = 4096,
	}, h;
	char c;

	h = good;
	h.src_cid = 4;		/* somebody else's address: dropped */
	vguest_queue(g, &h, 4);
	h = good;
	h.dst_cid = 1;
	vguest_queue(g, &h, 4);
	rig_kick(&g->rig, VSOCK_TX);
	vguest_expect_nothing(g);
	h = good;
	h.src_port++;		/* half of the connection's name */
	vguest_queue(g, &h, 4);
	rig_kick(&g->rig, VSOCK_TX);
	vguest_expect(g, &p, OP(RST));
	h = good;
	h.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	vguest_queue(g, &h, 4);
	rig_kick(&g->rig, VSOCK_TX);
	vguest_expect(g, &p, OP(RST));
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

static void wrong_packets_cost_the_connection_alone(void **state)
{
	struct vguest *g = *state;
	static const uint16_t ops[] = { OP(INVALID), OP(REQUEST), OP(RESPONSE),
					99 };
	struct vpacket other, p;
	int fd, keep = vguest_open(g, &other);
	char c;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		fd = vguest_open(g, &p);
		answer(g, &p, ops[i], 0, NULL, 0);
		vguest_expect(g, &p, OP(RST));
		assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
		close(fd);
	}
	/* instead of an answer to our request */
	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_expect(g, &p, OP(REQUEST));
	answer(g, &p, OP(RW), 0, "x", 1);
	assert_int_equal(g->error, ECONNREFUSED);
	vguest_expect(g, &p, OP(RST));
	answer(g, &other, OP(RW), 0, "ok", 2);
	assert_int_equal(recv(keep, block, 10, MSG_DONTWAIT), 2);
	assert_int_equal(vsock_connections(&g->vsock), 1);
	close(keep);
}

static void an_answer_before_the_question_is_none(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	/* no rx buffers: the REQUEST cannot be sent yet */
	vguest_start(g, 0);
	vguest_send(g, OP(REQUEST), AGENT_READY_PORT, 9, 0, NULL, 0);
	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_send(g, OP(RESPONSE), g->vsock.table.conns[0].host_port,
		    AGENT_VSOCK_PORT, 0, NULL, 0);
	assert_int_equal(g->done, 0);
	vguest_add_rx(g, 8);
	vguest_expect(g, &p, OP(RST));
	vguest_expect(g, &p, OP(RST));
	vguest_expect(g, &p, OP(REQUEST));
}

static void sending_past_the_credit_costs_the_connection(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p), other = vguest_open(g, &p);
	uint32_t sent = 0;

	close(fd);
	vguest_expect(g, &p, OP(SHUTDOWN));
	assert_int_equal(p.h.flags, 3);
	/* the host's client does not read; the guest does not care */
	p.h.src_port = g->vsock.table.conns[1].host_port;
	do {
		answer(g, &p, OP(RW), 0, block, sizeof(block));
		sent += sizeof(block);
		assert_true(sent < 16 * MIB);
	} while (g->vsock.table.conns[1].state == VSOCK_OPEN);
	do
		assert_true(vguest_recv(g, &p));
	while (p.h.op == OP(CREDIT_UPDATE));
	assert_int_equal(p.h.op, OP(RST));
	close(other);
}

static void a_host_that_never_reads_holds_up_itself(void **state)
{
	struct vguest *g = *state;
	struct vpacket stuck, other, p;
	int fd = vguest_open(g, &stuck), fd2 = vguest_open(g, &other);
	uint32_t room, sent = 0, told = 0;

	/* an honest guest: as much as it has credit for */
	for (;;) {
		room = MIN(VSOCK_BUF - (sent - told), 5000u);
		if (room == 0)
			break;
		answer(g, &stuck, OP(RW), 0, block, room);
		sent += room;
		while (vguest_recv(g, &p))
			told = p.h.fwd_cnt;
		assert_true(sent < 16 * MIB);
	}
	assert_int_equal(g->vsock.table.conns[0].ring_len, VSOCK_BUF);
	answer(g, &other, OP(RW), 0, "ok", 2);
	assert_int_equal(recv(fd2, block, 10, MSG_DONTWAIT), 2);
	assert_int_equal(write(fd2, "yes", 3), 3);
	vguest_expect(g, &p, OP(RW));
	assert_int_equal(p.h.src_port, other.h.src_port);
	/* it reads at last: all is there, and the guest gets credit */
	while (sent > 0) {
		ssize_t n = recv(fd, block, sizeof(block), MSG_DONTWAIT);

		assert_true(n > 0);
		sent -= (uint32_t)n;
		while (vguest_recv(g, &p))
			told = p.h.fwd_cnt;
	}
	assert_int_equal(told, g->vsock.table.conns[0].fwd_cnt);
	close(fd);
	close(fd2);
}

static void a_guest_without_credit_gets_nothing(void **state)
{
	struct vguest *g = *state;
	struct vpacket p, open;
	int fd, n = 0;

	g->buf_alloc = 100;
	fd = vguest_open(g, &open);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	while (vguest_recv(g, &p))
		n += (int)p.h.len;
	assert_int_equal(n, 100);
	/* numbers from another world are no credit either */
	g->fwd_cnt = 5000;
	answer(g, &open, OP(CREDIT_UPDATE), 0, NULL, 0);
	vguest_expect_nothing(g);
	g->fwd_cnt = 60;
	answer(g, &open, OP(CREDIT_UPDATE), 0, NULL, 0);
	vguest_expect(g, &p, OP(RW));
	assert_int_equal(p.h.len, 60);
	vguest_expect_nothing(g);
	/* without credit and closed by the host: no spinning, no loss */
	close(fd);
	for (int i = 0; i < 5; i++)
		rig_wait(&g->rig, 1);
	while (vguest_recv(g, &p))
		assert_int_equal(p.h.op, OP(SHUTDOWN));
	assert_int_equal(vsock_connections(&g->vsock), 1);
	g->buf_alloc = 16 * 1024 * 1024;
	answer(g, &open, OP(CREDIT_UPDATE), 0, NULL, 0);
	do
		assert_true(vguest_recv(g, &p));
	while (p.h.op == OP(RW));
	assert_int_equal(p.h.op, OP(SHUTDOWN));
	assert_int_equal(p.h.flags, 3);
}

static void a_full_receive_queue_freezes_nothing(void **state)
{
	struct vguest *g = *state;
	struct vpacket open, p;
	int fd = vguest_open(g, &open);
	unsigned int rsts = 0;

	/* All buffers are used up, and none is given back. */
	vguest_start(g, 0);
	vguest_send(g, OP(REQUEST), AGENT_READY_PORT, 9, 0, NULL, 0);
	close(fd);
	assert_int_equal(vguest_connect(g, 60000), 0);
	for (uint32_t i = 0; i < 1000; i++)
		vguest_send(g, OP(REQUEST), i, 5, 0, NULL, 0);
	for (int i = 0; i < 50; i++)
		rig_wait(&g->rig, 0);	/* the loop is idle: no spinning */
	assert_false(rig_broken(&g->rig));
	vguest_add_rx(g, 16);
	while (vguest_recv(g, &p) && p.h.op == OP(RST))
		rsts++;
	assert_int_equal(rsts, VSOCK_RSTS);
	assert_int_equal(p.h.op, OP(REQUEST));
}

static void a_host_flood_waits_for_buffers(void **state)
{
	struct vguest *g = *state;
	struct vpacket open, p;
	int fd, spins = 0;
	uint32_t got = 0;

	vguest_start(g, 2);
	vguest_agent_up(g);
	fd = vguest_open(g, &open);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 30; i++) {
		ssize_t n = write(fd, block, sizeof(block));

		got += n > 0 ? (uint32_t)n : 0;
	}
	rig_run(&g->rig);
	while (epoll_wait(g->rig.loop.epfd, &(struct epoll_event){ 0 }, 1,
			  0) > 0 && spins++ < 10)
		rig_wait(&g->rig, 0);
	assert_true(spins < 10);
	while (got > 0 && vguest_recv(g, &p)) {
		assert_true(p.h.len <= got);
		got -= p.h.len;
	}
	assert_int_equal(got, 0);
	close(fd);
}

static void malformed_packets_break_the_device(void **state)
{
	struct vguest *g = *state;
	struct virtio_vsock_hdr h = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = OP(RW),
	};
	const struct rig_seg tiny = { g->tx, 43, false };
	const struct rig_seg wrong_way = { g->tx, 100, true };

	rig_add(&g->rig, VSOCK_TX, &tiny, 1);
	rig_kick(&g->rig, VSOCK_TX);
	assert_true(rig_broken(&g->rig));
	vguest_start(g, 4);
	rig_add(&g->rig, VSOCK_TX, &wrong_way, 1);
	rig_kick(&g->rig, VSOCK_TX);
	assert_true(rig_broken(&g->rig));
	vguest_start(g, 4);
	h.len = 101;				/* longer than its chain */
	vguest_queue(g, &h, 100);
	rig_kick(&g->rig, VSOCK_TX);
	assert_true(rig_broken(&g->rig));
	vguest_start(g, 4);
	h.len = UINT32_MAX;
	vguest_queue(g, &h, 65536);
	rig_kick(&g->rig, VSOCK_TX);
	assert_true(rig_broken(&g->rig));
	vguest_start(g, 4);
	vguest_agent_up(g);
}

static void useless_buffers_break_the_device(void **state)
{
	struct vguest *g = *state;
	const struct rig_seg small[] = { { g->tx, 44, true },
					 { g->tx, 43, true },
					 { g->tx, 1000, false } };

	for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
		vguest_start(g, 0);
		rig_add(&g->rig, VSOCK_RX, &small[i], 1);
		vguest_send(g, OP(REQUEST), 1, 2, 0, NULL, 0);
		assert_true(rig_broken(&g->rig));
	}
	vguest_start(g, 4);
	vguest_agent_up(g);
}

/* More than one turn on the loop has room for, in both queues. */
static void a_flood_of_packets_is_taken_in_turns(void **state)
{
	struct vguest *g = *state;
	struct virtio_vsock_hdr h = {
		.src_cid = GUEST_CID, .dst_cid = VSOCK_HOST_CID, .dst_port = 1,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = OP(REQUEST),
	};
	struct vring_used_elem e;
	struct vpacket p;

	for (int i = 0; i < 200; i++)
		vguest_queue(g, &h, 0);
	rig_kick(&g->rig, VSOCK_TX);
	for (int i = 0; i < 200; i++)
		assert_true(rig_used(&g->rig, VSOCK_TX, &e));
	while (vguest_recv(g, &p))
		assert_int_equal(p.h.op, OP(RST));
	/* many that waited for the agent have something to say at once */
	vguest_start(g, 250);
	for (int i = 0; i < 200; i++)
		assert_int_equal(vguest_connect(g, 60000), 0);
	vguest_agent_up(g);
	for (int i = 0; i < 200; i++) {
		vguest_expect(g, &p, OP(REQUEST));
		answer(g, &p, OP(RST), 0, NULL, 0);
	}
	vguest_expect_nothing(g);
	assert_int_equal(vsock_connections(&g->vsock), 0);
}

/* A connection in line that turns out to have nothing to say. */
static void an_idle_turn_costs_no_buffer(void **state)
{
	struct vguest *g = *state;
	struct vpacket p, open;
	int fd = vguest_open(g, &open);
	uint16_t used = g->rig.q[VSOCK_RX].used->idx;

	g->vsock.table.conns[0].readable = true;
	answer(g, &open, OP(CREDIT_UPDATE), 0, NULL, 0);
	assert_int_equal(g->rig.q[VSOCK_RX].used->idx, used);
	assert_false(g->vsock.table.conns[0].readable);
	assert_int_equal(write(fd, "x", 1), 1);
	vguest_expect(g, &p, OP(RW));
	close(fd);
}

static void the_table_has_an_end(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fds[VSOCK_CONNS];

	for (int i = 0; i < VSOCK_CONNS; i++)
		fds[i] = vguest_open(g, &p);
	assert_int_equal(vguest_connect(g, 1000), -ENOSPC);
	/* one whose client has gone makes room */
	close(fds[17]);
	vguest_expect(g, &p, OP(SHUTDOWN));
	assert_int_equal(vguest_connect(g, 1000), 0);
	vguest_expect(g, &p, OP(RST));
	vguest_expect(g, &p, OP(REQUEST));
	answer(g, &p, OP(RST), 0, NULL, 0);
	assert_int_equal(vsock_connections(&g->vsock), VSOCK_CONNS - 1);
	for (int i = 0; i < VSOCK_CONNS; i++)
		if (i != 17)
			close(fds[i]);
}

static void fuzz(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	for (int i = 0; i < 20; i++) {
		int fd = vguest_open(g, &p);

		assert_true(write(fd, block, 30000) > 0);
		rig_fuzz(&g->rig, &g->vsock.mmio, 0xfeed + (uint64_t)i, 150);
		close(fd);
		vguest_start(g, 64);
		vguest_agent_up(g);
		assert_int_equal(vsock_connections(&g->vsock), 0);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(guests_cannot_connect),
		T(packets_of_no_connection_are_reset),
		T(other_addresses_and_types_are_not_served),
		T(wrong_packets_cost_the_connection_alone),
		T(an_answer_before_the_question_is_none),
		T(sending_past_the_credit_costs_the_connection),
		T(a_host_that_never_reads_holds_up_itself),
		T(a_guest_without_credit_gets_nothing),
		T(a_full_receive_queue_freezes_nothing),
		T(a_host_flood_waits_for_buffers),
		T(malformed_packets_break_the_device),
		T(useless_buffers_break_the_device),
		T(a_flood_of_packets_is_taken_in_turns),
		T(an_idle_turn_costs_no_buffer),
		T(the_table_has_an_end),
		T(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
