/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-virtio-net-bad.c - the network device and a guest that is out
 * for harm
 *
 * Each case ends with a device that works again after a reset.
 */
#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/vmm/virtio-net.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define HDR ((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define FEATURES (RIG_FEATURES | 1ULL << VIRTIO_NET_F_MRG_RXBUF)

struct fixture {
	struct rig rig;
	struct virtio_net net;
	uint64_t buf;
	int peer;
	atomic_bool stop;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct virtio_net_setup s = { .mac = { 2 }, .mtu = 1500 };
	int sv[2];

	rig_init(&f->rig);
	f->buf = rig_alloc(&f->rig, 2 * MIB);
	assert_int_equal(virtio_net_init(&f->net, &f->rig.env, &s, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    sv), 0);
	f->peer = sv[0];
	rig_start(&f->rig, &f->net.mmio, FEATURES);
	assert_int_equal(virtio_net_attach(&f->net, sv[1], NULL), 0);
	rig_run(&f->rig);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_net_free(&f->net);
	close(f->peer);
	rig_free(&f->rig);
	free(f);
	return 0;
}

static void drain(struct fixture *f)
{
	char c;

	while (recv(f->peer, &c, 1, MSG_DONTWAIT) > 0)
		continue;
}

static void inject(struct fixture *f, size_t len)
{
	static const char zeros[65536];

	assert_int_equal(send(f->peer, zeros, len, MSG_DONTWAIT), len);
	rig_run(&f->rig);
}

static void assert_works(struct fixture *f)
{
	const struct rig_seg tx = { f->buf, 100, false };
	const struct rig_seg rx = { f->buf, 2000, true };
	struct vring_used_elem e;
	char c[200];

	drain(f);
	rig_start(&f->rig, &f->net.mmio, FEATURES);
	memset(rig_ptr(&f->rig, f->buf), 0, 4096);
	rig_add(&f->rig, NET_TX, &tx, 1);
	rig_kick(&f->rig, NET_TX);
	assert_int_equal(recv(f->peer, c, sizeof(c), MSG_DONTWAIT), 100 - HDR);
	rig_add(&f->rig, NET_RX, &rx, 1);
	rig_kick(&f->rig, NET_RX);
	inject(f, 60);
	assert_true(rig_used(&f->rig, NET_RX, &e));
	assert_int_equal(e.len, 60 + HDR);
}

static void frames_without_a_header_break_the_device(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg bad[] = { { f->buf, 0, false },
				       { f->buf, 11, false },
				       { f->buf, 100, true } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_start(&f->rig, &f->net.mmio, FEATURES);
		rig_add(&f->rig, NET_TX, &bad[i], 1);
		rig_kick(&f->rig, NET_TX);
		assert_true(rig_broken(&f->rig));
		assert_works(f);
	}
}

static void buffers_without_room_break_the_device(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg bad[] = { { f->buf, 0, true },
				       { f->buf, 11, true },
				       { f->buf, 12, true },
				       { f->buf, 2000, false } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_start(&f->rig, &f->net.mmio, FEATURES);
		rig_add(&f->rig, NET_RX, &bad[i], 1);
		rig_kick(&f->rig, NET_RX);
		inject(f, 60);
		assert_true(rig_broken(&f->rig));
		assert_works(f);
	}
}

/* The second buffer of a frame is empty. */
static void an_empty_buffer_in_the_middle_breaks_the_device(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg seg[] = { { f->buf, 100, true },
				       { f->buf, 0, true } };

	for (size_t i = 0; i < ARRAY_SIZE(seg); i++)
		rig_add(&f->rig, NET_RX, &seg[i], 1);
	rig_kick(&f->rig, NET_RX);
	inject(f, 500);
	assert_true(rig_broken(&f->rig));
	assert_works(f);
}

/* All the buffers that a small queue can have are not enough: the frame must not
 * block the wire for ever. */
static void a_queue_too_small_for_a_frame_loses_it(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg seg = { f->buf, 20, true };
	struct vring_used_elem e;

	for (int i = 0; i < 256; i++)
		rig_add(&f->rig, NET_RX, &seg, 1);
	rig_kick(&f->rig, NET_RX);
	inject(f, 20000);
	assert_false(rig_used(&f->rig, NET_RX, &e));
	assert_int_equal(f->net.held, 0);
	assert_int_equal(f->net.rx_dropped, 1);
	inject(f, 100);
	for (int i = 0; i < 6; i++)
		assert_true(rig_used(&f->rig, NET_RX, &e));
	assert_false(rig_used(&f->rig, NET_RX, &e));
	assert_works(f);
}

static void without_merging_a_frame_needs_one_buffer(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg small = { f->buf, 500, true };
	const struct rig_seg pair[] = { { f->buf, 12, true },
					{ f->buf + 4096, 2000, true } };
	struct virtio_net_hdr_v1 h;
	struct vring_used_elem e;

	rig_start(&f->rig, &f->net.mmio, RIG_FEATURES);
	rig_add(&f->rig, NET_RX, &small, 1);
	rig_add(&f->rig, NET_RX, &small, 1);
	rig_kick(&f->rig, NET_RX);
	inject(f, 600);
	assert_false(rig_used(&f->rig, NET_RX, &e));
	assert_int_equal(f->net.rx_dropped, 1);
	inject(f, 400);
	assert_true(rig_used(&f->rig, NET_RX, &e));
	rig_start(&f->rig, &f->net.mmio, RIG_FEATURES);
	rig_add(&f->rig, NET_RX, pair, 2);
	rig_kick(&f->rig, NET_RX);
	inject(f, 1514);
	assert_true(rig_used(&f->rig, NET_RX, &e));
	assert_int_equal(e.len, 1514 + HDR);
	memcpy(&h, rig_ptr(&f->rig, f->buf), HDR);
	assert_int_equal(h.num_buffers, 1);
	assert_works(f);
}

static void a_reset_forgets_the_frame_that_waited(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg rx = { f->buf, 2000, true };
	struct vring_used_elem e;

	inject(f, 60);
	assert_int_equal(f->net.held, 60);
	rig_start(&f->rig, &f->net.mmio, FEATURES);
	rig_add(&f->rig, NET_RX, &rx, 1);
	rig_kick(&f->rig, NET_RX);
	assert_false(rig_used(&f->rig, NET_RX, &e));
	inject(f, 61);
	assert_true(rig_used(&f->rig, NET_RX, &e));
	assert_int_equal(e.len, 61 + HDR);
}

/* No driver: what comes for it is lost, and does not pile up. */
static void nobody_waits_for_a_guest_without_a_driver(void **state)
{
	struct fixture *f = *state;

	rig_write(&f->rig, VIRTIO_MMIO_STATUS, 0);
	for (int i = 0; i < 1000; i++)
		inject(f, 1000);
	assert_int_equal(f->net.rx_dropped, 1000);
	assert_works(f);
}

/* A second CPU adds, takes back and scribbles while frames are placed. */
static void *race(void *arg)
{
	struct fixture *f = arg;
	struct rig_queue *q = &f->rig.q[NET_RX];
	volatile struct vring_desc *d = q->desc;
	volatile uint16_t *idx = &q->avail->idx;

	for (uint32_t i = 0; !f->stop; i++) {
		d[i % 8].len = i % 5 ? 200 : 0;
		d[i % 8].addr = i % 7 ? f->buf : RIG_LOW + RIG_LOW_SIZE - 100;
		d[i % 8].flags = i % 11 ? VRING_DESC_F_WRITE : 0;
		q->avail->ring[i % 256] = (uint16_t)(i % 8);
		*idx = (uint16_t)(*idx + i % 3);
	}
	return NULL;
}

static void rings_change_under_way(void **state)
{
	struct fixture *f = *state;
	uint64_t end = now_ns() + 1500000000ULL;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, race, f), 0);
	while (now_ns() < end) {
		static const char zeros[1500];

		for (int i = 0; i < 8; i++)
			if (send(f->peer, zeros, sizeof(zeros),
				 MSG_DONTWAIT) < 0)
				break;
		rig_write(&f->rig, VIRTIO_MMIO_QUEUE_NOTIFY, NET_RX);
		rig_wait(&f->rig, 0);
		if (rig_broken(&f->rig)) {
			rig_negotiate(&f->rig, &f->net.mmio, FEATURES);
			rig_queue_setup(&f->rig, 0);
			rig_queue_setup(&f->rig, 1);
			rig_write(&f->rig, VIRTIO_MMIO_STATUS, 15);
		}
	}
	f->stop = true;
	pthread_join(t, NULL);
	rig_run(&f->rig);
	while (f->net.held || rig_broken(&f->rig))
		rig_start(&f->rig, &f->net.mmio, FEATURES);
	assert_works(f);
}

static void fuzz(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++) {
		for (int n = 0; n < 5; n++)
			send(f->peer, &f->buf, 8, MSG_DONTWAIT);
		for (int n = 0; n < 5; n++)
			send(f->peer, f, sizeof(f->rig), MSG_DONTWAIT);
		rig_fuzz(&f->rig, &f->net.mmio, 0x4e7 + (uint64_t)i, 200);
		drain(f);
		rig_run(&f->rig);
		assert_works(f);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(frames_without_a_header_break_the_device),
		T(buffers_without_room_break_the_device),
		T(an_empty_buffer_in_the_middle_breaks_the_device),
		T(a_queue_too_small_for_a_frame_loses_it),
		T(without_merging_a_frame_needs_one_buffer),
		T(a_reset_forgets_the_frame_that_waited),
		T(nobody_waits_for_a_guest_without_a_driver),
		T(rings_change_under_way),
		T(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
