/* SPDX-License-Identifier: MIT */
/* tests/unit/test-virtio-net.c - frames through the network device */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/vmm/virtio-net.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define HDR sizeof(struct virtio_net_hdr_v1)
#define MRG (1ULL << VIRTIO_NET_F_MRG_RXBUF)
#define FEATURES (RIG_FEATURES | MRG | 1ULL << VIRTIO_NET_F_STATUS | \
		  1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_MTU)
#define SLOT 65536u	/* of each queue's buffers */

struct fixture {
	struct rig rig;
	struct virtio_net net;
	uint64_t rx, tx;	/* 64 slots each */
	unsigned int wanted;
	int peer;
	uint8_t frame[2 * 65536];
};

static void on_wanted(void *arg)
{
	((struct fixture *)arg)->wanted++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct virtio_net_setup s = {
		.mac = { 2, 1, 2, 3, 4, 5 }, .mtu = NET_MTU_MAX,
		.wanted = on_wanted, .arg = f,
	};

	rig_init(&f->rig);
	f->peer = -1;
	f->rx = rig_alloc(&f->rig, 64 * SLOT);
	f->tx = rig_alloc(&f->rig, 64 * SLOT);
	for (size_t i = 0; i < sizeof(f->frame); i++)
		f->frame[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(virtio_net_init(&f->net, &f->rig.env, &s, NULL), 0);
	rig_start(&f->rig, &f->net.mmio, FEATURES);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_net_free(&f->net);
	if (f->peer >= 0)
		close(f->peer);
	rig_free(&f->rig);
	free(f);
	return 0;
}

static void attach(struct fixture *f)
{
	int sv[2];

	if (f->peer >= 0)
		close(f->peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    sv), 0);
	f->peer = sv[0];
	assert_int_equal(virtio_net_attach(&f->net, sv[1], NULL), 0);
	rig_run(&f->rig);
}

/* As the guest: a header and @len bytes of the pattern. */
static void transmit(struct fixture *f, uint32_t len)
{
	uint64_t at = f->tx + f->rig.q[NET_TX].avail->idx % 16 * 2 * SLOT;
	struct rig_seg segs[] = { { at, HDR, false },
				  { at + SLOT, MIN(len, SLOT), false } };

	memset(rig_ptr(&f->rig, at), 0, HDR);
	memcpy(rig_ptr(&f->rig, at + SLOT), f->frame, MIN(len, SLOT));
	rig_add(&f->rig, NET_TX, segs, len ? 2 : 1);
	rig_kick(&f->rig, NET_TX);
}

/* As the back end. Return: bytes of the next frame, 0: there is none. */
static size_t arrived(struct fixture *f)
{
	uint8_t buf[2 * 65536];
	ssize_t n = recv(f->peer, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return 0;
	assert_memory_equal(buf, f->frame, (size_t)n);
	return (size_t)n;
}

static void inject(struct fixture *f, size_t len)
{
	assert_int_equal(send(f->peer, f->frame, len, MSG_DONTWAIT), len);
	rig_run(&f->rig);
}

static void add_rx(struct fixture *f, unsigned int nr, uint32_t len)
{
	while (nr-- > 0) {
		struct rig_seg seg = {
			f->rx + f->rig.q[NET_RX].next_desc % 64 * SLOT, len,
			true,
		};

		rig_add(&f->rig, NET_RX, &seg, 1);
	}
	rig_kick(&f->rig, NET_RX);
}

/* Take a frame of @len bytes out of the used ring, where it lies in @bufs. */
static void expect_rx(struct fixture *f, uint32_t len, unsigned int bufs)
{
	struct virtio_net_hdr_v1 h;
	struct vring_used_elem e;
	uint32_t done = 0;

	for (unsigned int i = 0; i < bufs; i++) {
		uint32_t skip = i == 0 ? HDR : 0;
		uint8_t *p;

		assert_true(rig_used(&f->rig, NET_RX, &e));
		p = rig_ptr(&f->rig, f->rx + e.id % 64 * SLOT);
		if (i == 0) {
			memcpy(&h, p, HDR);
			assert_int_equal(h.num_buffers, bufs);
			assert_int_equal(h.flags, 0);
			assert_int_equal(h.gso_type, 0);
		}
		assert_true(e.len >= skip);
		assert_memory_equal(p + skip, f->frame + done, e.len - skip);
		done += e.len - skip;
	}
	assert_int_equal(done, len);
}

static void expect_no_rx(struct fixture *f)
{
	struct vring_used_elem e;

	assert_false(rig_used(&f->rig, NET_RX, &e));
}

static unsigned int tx_done(struct fixture *f)
{
	struct vring_used_elem e;
	unsigned int n = 0;

	while (rig_used(&f->rig, NET_TX, &e))
		n++;
	return n;
}

static uint32_t link_status(struct fixture *f)
{
	uint16_t v;

	f->net.mmio.region.ops->read(&f->net.mmio.region,
				     VIRTIO_MMIO_CONFIG + 6, &v, 2);
	return v;
}

static void config_tells_address_and_mtu(void **state)
{
	struct fixture *f = *state;
	struct bus_region *r = &f->net.mmio.region;
	uint8_t c[16];

	for (unsigned int i = 0; i < sizeof(c); i++)
		r->ops->read(r, VIRTIO_MMIO_CONFIG + i, &c[i], 1);
	assert_memory_equal(c, "\x02\x01\x02\x03\x04\x05", 6);
	assert_int_equal(c[6] | c[7] << 8, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(c[10] | c[11] << 8, NET_MTU_MAX);
	/* no offload, no control queue, nothing but what is told here */
	assert_int_equal(f->net.mmio.offered, FEATURES);
	assert_int_equal(rig_read(&f->rig, VIRTIO_MMIO_DEVICE_ID), 1);
}

static void the_first_frame_asks_for_a_back_end_and_waits(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->wanted, 0);
	transmit(f, 60);
	transmit(f, 1514);
	assert_int_equal(f->wanted, 1);
	assert_int_equal(tx_done(f), 0);
	attach(f);
	assert_int_equal(arrived(f), 60);
	assert_int_equal(arrived(f), 1514);
	assert_int_equal(arrived(f), 0);
	assert_int_equal(tx_done(f), 2);
	assert_true(rig_irqs(&f->rig) > 0);
	assert_int_equal(f->wanted, 1);
}

static void frames_that_nobody_takes_are_dropped_in_time(void **state)
{
	struct fixture *f = *state;
	uint64_t end = now_ns() + 10 * NET_WAIT_MS * 1000000ULL;

	transmit(f, 60);
	while (tx_done(f) == 0 && now_ns() < end)
		rig_wait(&f->rig, 100);
	assert_int_equal(f->net.tx_dropped, 1);
	assert_int_equal(link_status(f), VIRTIO_NET_S_LINK_UP);
	/* the next one asks again */
	transmit(f, 61);
	assert_int_equal(f->wanted, 2);
	attach(f);
	assert_int_equal(arrived(f), 61);
}

static void frames_go_both_ways_at_every_size(void **state)
{
	static const uint32_t sizes[] = { 14, 15, 60, 1514, 4096, 65533, 65534 };
	struct fixture *f = *state;

	attach(f);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		transmit(f, sizes[i]);
		assert_int_equal(arrived(f), sizes[i]);
		assert_int_equal(tx_done(f), 1);
		add_rx(f, 64, 2048);
		inject(f, sizes[i]);
		expect_rx(f, sizes[i], (sizes[i] + HDR + 2047) / 2048);
		expect_no_rx(f);
		rig_start(&f->rig, &f->net.mmio, FEATURES);
	}
}

static void impossible_lengths_are_dropped(void **state)
{
	struct fixture *f = *state;

	attach(f);
	transmit(f, 0);
	transmit(f, 13);
	transmit(f, 65535);
	assert_int_equal(tx_done(f), 3);
	assert_int_equal(arrived(f), 0);
	assert_int_equal(f->net.tx_dropped, 3);
	add_rx(f, 64, 4096);
	inject(f, 13);
	inject(f, 65535);
	inject(f, 80000);
	expect_no_rx(f);
	assert_int_equal(f->net.rx_dropped, 3);
	inject(f, 14);
	expect_rx(f, 14, 1);
	assert_false(rig_broken(&f->rig));
}

static void offloads_that_were_not_offered_are_dropped(void **state)
{
	struct fixture *f = *state;
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	struct rig_seg segs[] = { { f->tx, HDR, false },
				  { f->tx + SLOT, 100, false } };

	attach(f);
	memcpy(rig_ptr(&f->rig, f->tx), &h, HDR);
	rig_add(&f->rig, NET_TX, segs, 2);
	rig_kick(&f->rig, NET_TX);
	h = (struct virtio_net_hdr_v1){ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 };
	memcpy(rig_ptr(&f->rig, f->tx), &h, HDR);
	rig_add(&f->rig, NET_TX, segs, 2);
	rig_kick(&f->rig, NET_TX);
	assert_int_equal(tx_done(f), 2);
	assert_int_equal(arrived(f), 0);
	/* to accept them at all is refused */
	rig_negotiate(&f->rig, &f->net.mmio,
		      FEATURES | 1ULL << VIRTIO_NET_F_CSUM);
	assert_false(rig_read(&f->rig, VIRTIO_MMIO_STATUS) &
		     VIRTIO_CONFIG_S_FEATURES_OK);
}

/* The guest gives buffers one by one: the frame comes when there are enough, all
 * of it at once. */
static void a_frame_waits_for_enough_buffers(void **state)
{
	struct fixture *f = *state;

	attach(f);
	inject(f, 5000);
	for (int i = 0; i < 4; i++) {
		add_rx(f, 1, 1024);
		expect_no_rx(f);
		assert_int_equal(f->net.held, 5000);
	}
	add_rx(f, 1, 1024);
	expect_rx(f, 5000, 5);
	assert_true(rig_irqs(&f->rig) > 0);
}

static void a_guest_that_never_reads_holds_up_its_own_wire(void **state)
{
	struct fixture *f = *state;
	unsigned int sent = 0;

	attach(f);
	while (send(f->peer, f->frame, 1000, MSG_DONTWAIT) == 1000 &&
	       sent < 100000) {
		sent++;
		rig_run(&f->rig);
	}
	assert_true(sent < 100000);
	assert_int_equal(errno, EAGAIN);
	/* the loop sleeps over it, and the other way is open */
	transmit(f, 60);
	assert_int_equal(arrived(f), 60);
	assert_int_equal(epoll_wait(f->rig.loop.epfd,
				    &(struct epoll_event){ 0 }, 1, 0), 0);
	while (sent > 0) {
		add_rx(f, 1, 2048);
		expect_rx(f, 1000, 1);
		sent--;
	}
	expect_no_rx(f);
}

static void a_back_end_that_never_reads_holds_up_the_queue(void **state)
{
	struct fixture *f = *state;
	unsigned int done = 0, got = 0;

	attach(f);
	for (unsigned int i = 0; i < 120; i++)
		transmit(f, SLOT - 100);
	done = tx_done(f);
	assert_true(done > 0 && done < 120);
	assert_true(f->net.tx_blocked);
	assert_int_equal(epoll_wait(f->rig.loop.epfd,
				    &(struct epoll_event){ 0 }, 1, 0), 0);
	while (got < 120 && arrived(f)) {
		got++;
		rig_run(&f->rig);
	}
	assert_int_equal(got, 120);
	assert_int_equal(done + tx_done(f), 120);
	assert_false(f->net.tx_blocked);
}

static void a_back_end_that_ends_takes_the_link_down_for_a_while(void **state)
{
	struct fixture *f = *state;
	uint32_t generation;

	attach(f);
	add_rx(f, 4, 2048);
	inject(f, 60);
	generation = rig_read(&f->rig, VIRTIO_MMIO_CONFIG_GENERATION);
	close(f->peer);
	f->peer = -1;
	rig_run(&f->rig);
	expect_rx(f, 60, 1);
	assert_int_equal(link_status(f), 0);
	assert_true(rig_read(&f->rig, VIRTIO_MMIO_INTERRUPT_STATUS) &
		    VIRTIO_MMIO_INT_CONFIG);
	assert_int_not_equal(rig_read(&f->rig, VIRTIO_MMIO_CONFIG_GENERATION),
			     generation);
	assert_false(rig_broken(&f->rig));
	transmit(f, 60);	/* into the void */
	assert_int_equal(tx_done(f), 1);
	assert_int_equal(f->wanted, 0);
	for (int i = 0; i < 100 && !link_status(f); i++)
		rig_wait(&f->rig, 100);
	assert_int_equal(link_status(f), VIRTIO_NET_S_LINK_UP);
	transmit(f, 61);
	assert_int_equal(f->wanted, 1);
	attach(f);
	assert_int_equal(arrived(f), 61);
}

static void a_back_end_that_ends_while_a_frame_waits(void **state)
{
	struct fixture *f = *state;

	attach(f);
	inject(f, 60);
	assert_int_equal(f->net.held, 60);
	close(f->peer);
	f->peer = -1;
	rig_run(&f->rig);
	assert_int_equal(link_status(f), 0);
	add_rx(f, 1, 2048);
	expect_no_rx(f);
	/* and a new one may come at once */
	attach(f);
	assert_int_equal(link_status(f), VIRTIO_NET_S_LINK_UP);
	inject(f, 61);
	expect_rx(f, 61, 1);
}

/* What a child of fork(2) does; the parent's end stays open in the parent. */
static void a_copy_has_no_back_end_and_its_link_was_down(void **state)
{
	struct fixture *f = *state;

	attach(f);
	transmit(f, 60);
	assert_int_equal(arrived(f), 60);
	virtio_net_abandon(&f->net);
	assert_int_equal(recv(f->peer, f->frame, 1, MSG_DONTWAIT), 0);
	assert_int_equal(link_status(f), 0);
	for (int i = 0; i < 100 && !link_status(f); i++)
		rig_wait(&f->rig, 100);
	assert_int_equal(link_status(f), VIRTIO_NET_S_LINK_UP);
	transmit(f, 60);
	assert_int_equal(f->wanted, 1);
}

static void a_copy_of_one_that_had_none_asks_anew(void **state)
{
	struct fixture *f = *state;

	transmit(f, 60);
	assert_int_equal(f->wanted, 1);
	virtio_net_abandon(&f->net);
	assert_int_equal(link_status(f), VIRTIO_NET_S_LINK_UP);
	transmit(f, 60);
	assert_int_equal(f->wanted, 2);
	attach(f);
	assert_int_equal(arrived(f), 60);
	assert_int_equal(arrived(f), 60);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(config_tells_address_and_mtu),
		T(the_first_frame_asks_for_a_back_end_and_waits),
		T(frames_that_nobody_takes_are_dropped_in_time),
		T(frames_go_both_ways_at_every_size),
		T(impossible_lengths_are_dropped),
		T(offloads_that_were_not_offered_are_dropped),
		T(a_frame_waits_for_enough_buffers),
		T(a_guest_that_never_reads_holds_up_its_own_wire),
		T(a_back_end_that_never_reads_holds_up_the_queue),
		T(a_back_end_that_ends_takes_the_link_down_for_a_while),
		T(a_back_end_that_ends_while_a_frame_waits),
		T(a_copy_has_no_back_end_and_its_link_was_down),
		T(a_copy_of_one_that_had_none_asks_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
