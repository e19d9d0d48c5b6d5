/* SPDX-License-Identifier: MIT */
/* tests/unit/test-virtio-mmio.c - the transport, under good and bad drivers */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED VIRTIO_CONFIG_S_FAILED

/* A device that hands back every chain. */
struct echo {
	struct virtio_mmio mmio;
	struct virtq_chain chain;
	unsigned int chains, resets;
};

static void echo_notify(struct virtio_mmio *d, unsigned int queue)
{
	struct echo *e = container_of(d, struct echo, mmio);

	do {
		while (virtio_mmio_pop(d, queue, &e->chain)) {
			virtq_push(&d->queues[queue], e->chain.head, 0);
			e->chains++;
		}
	} while (virtio_mmio_running(d) && virtq_kicks(&d->queues[queue], true));
	virtio_mmio_signal(d, queue);
}

static void echo_reset(struct virtio_mmio *d)
{
	container_of(d, struct echo, mmio)->resets++;
}

static const struct virtio_ops echo_ops = {
	.name = "echo",
	.id = 42,
	.nr_queues = 2,
	.queue_max = 64,
	.notify = echo_notify,
	.reset = echo_reset,
};

struct fixture {
	struct rig rig;
	struct echo echo;
	uint64_t buf;
};

static const uint8_t config[6] = { 1, 2, 3, 4, 5, 6 };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->buf = rig_alloc(&f->rig, 4096);
	f->rig.dev = &f->echo.mmio;
	*state = f;
	return virtio_mmio_init(&f->echo.mmio, &echo_ops, &f->rig.env, 1 << 5,
				config, sizeof(config), NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_mmio_free(&f->echo.mmio);
	rig_free(&f->rig);
	free(f);
	return 0;
}

static void add(struct fixture *f, unsigned int queue)
{
	const struct rig_seg seg = { f->buf, 64, true };

	rig_add(&f->rig, queue, &seg, 1);
}

static uint32_t status(struct fixture *f)
{
	return rig_read(&f->rig, VIRTIO_MMIO_STATUS);
}

static void set_status(struct fixture *f, uint32_t v)
{
	rig_write(&f->rig, VIRTIO_MMIO_STATUS, v);
}

static void it_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	struct rig *r = &f->rig;

	assert_int_equal(rig_read(r, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_DEVICE_ID), 42);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_QUEUE_NUM_MAX), 64);
	rig_write(r, VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_DEVICE_FEATURES),
			 1 << 5 | 1 << 29);
	rig_write(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_DEVICE_FEATURES), 1);
	rig_write(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_SHM_LEN_LOW), 0xffffffff);
	/* config space, to its end and past it */
	assert_int_equal(rig_read(r, VIRTIO_MMIO_CONFIG), 0x04030201);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_CONFIG + 4), 0x0605);
	assert_int_equal(rig_read(r, VIRTIO_MMIO_CONFIG + 0xfc), 0);
}

static void other_widths_do_nothing(void **state)
{
	struct fixture *f = *state;
	struct bus_region *reg = &f->echo.mmio.region;
	uint64_t v = 1;

	reg->ops->write(reg, VIRTIO_MMIO_STATUS, &v, 1);
	reg->ops->write(reg, VIRTIO_MMIO_STATUS, &v, 8);
	reg->ops->write(reg, VIRTIO_MMIO_STATUS - 2, &v, 4);
	reg->ops->write(reg, VIRTIO_MMIO_CONFIG, &v, 4);
	assert_int_equal(status(f), 0);
	v = UINT64_MAX;
	reg->ops->read(reg, VIRTIO_MMIO_MAGIC_VALUE, &v, 8);
	assert_true(v == 0);
	reg->ops->read(reg, VIRTIO_MMIO_CONFIG + 1, &v, 1);
	assert_int_equal(v, 2);
}

static void chains_go_round(void **state)
{
	struct fixture *f = *state;
	struct vring_used_elem e;

	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
	for (int i = 0; i < 1000; i++) {
		add(f, (unsigned int)i % 2);
		rig_kick(&f->rig, (unsigned int)i % 2);
		assert_true(rig_used(&f->rig, (unsigned int)i % 2, &e));
		assert_int_equal(rig_irqs(&f->rig), 1);
		assert_int_equal(rig_read(&f->rig,
					  VIRTIO_MMIO_INTERRUPT_STATUS), 1);
		rig_write(&f->rig, VIRTIO_MMIO_INTERRUPT_ACK, 1);
		assert_int_equal(rig_read(&f->rig,
					  VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	}
}

static void unknown_features_are_not_accepted(void **state)
{
	struct fixture *f = *state;

	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES | 1 << 6);
	assert_int_equal(status(f), ACK | DRIVER);
	/* without VERSION_1: a driver of the old days */
	rig_negotiate(&f->rig, &f->echo.mmio, 1 << 5);
	assert_int_equal(status(f), ACK | DRIVER);
	/* going on regardless */
	set_status(f, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_true(rig_broken(&f->rig));
	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES | 1 << 5);
	assert_int_equal(status(f), ACK | DRIVER | FEATURES_OK);
}

static void features_past_the_64th_do_not_exist(void **state)
{
	struct fixture *f = *state;

	set_status(f, ACK);
	set_status(f, ACK | DRIVER);
	rig_write(&f->rig, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	rig_write(&f->rig, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	assert_false(rig_broken(&f->rig));
	rig_write(&f->rig, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	assert_true(rig_broken(&f->rig));
}

static void status_bits_have_an_order(void **state)
{
	struct fixture *f = *state;
	static const uint32_t bad[][3] = {
		{ DRIVER },
		{ DRIVER_OK },
		{ ACK, ACK | FEATURES_OK },
		{ ACK, ACK | DRIVER, ACK | DRIVER | DRIVER_OK },
		{ ACK, ACK | DRIVER, ACK },		/* taken back */
		{ ACK, ACK | NEEDS_RESET },		/* is ours to set */
		{ ACK, ACK | 16 },
		{ ACK, ACK | 1u << 31 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set_status(f, 0);
		for (int k = 0; k < 3 && bad[i][k]; k++)
			set_status(f, bad[i][k]);
		assert_true(rig_broken(&f->rig));
		/* nobody is listening yet: no interrupt */
		assert_int_equal(rig_irqs(&f->rig), 0);
		/* nothing but a reset helps */
		set_status(f, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		assert_false(virtio_mmio_running(&f->echo.mmio));
	}
	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
}

static void features_are_frozen_at_features_ok(void **state)
{
	struct fixture *f = *state;

	rig_write(&f->rig, VIRTIO_MMIO_DRIVER_FEATURES, 1 << 5);
	assert_true(rig_broken(&f->rig));	/* before DRIVER */
	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
	rig_write(&f->rig, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	rig_write(&f->rig, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	assert_true(rig_broken(&f->rig));
}

static const uint32_t queue_regs[] = {
	VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_READY,
	VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH,
	VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
	VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH,
};

static void queues_are_frozen_at_driver_ok(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(queue_regs); i++) {
		struct virtq before;

		rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
		rig_irqs(&f->rig);
		before = f->echo.mmio.queues[0];
		rig_write(&f->rig, VIRTIO_MMIO_QUEUE_SEL, 0);
		rig_write(&f->rig, queue_regs[i], 0);
		assert_true(rig_broken(&f->rig));
		assert_memory_equal(&before, &f->echo.mmio.queues[0],
				    sizeof(before));
		/* the driver is told, and nothing is served */
		assert_int_equal(rig_irqs(&f->rig), 1);
		assert_int_equal(rig_read(&f->rig,
					  VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
		f->echo.chains = 0;
		add(f, 0);
		rig_kick(&f->rig, 0);
		assert_int_equal(f->echo.chains, 0);
	}
}

static void a_ready_queue_is_frozen(void **state)
{
	struct fixture *f = *state;

	rig_queue_alloc(&f->rig, 0, 16);
	for (size_t i = 0; i < ARRAY_SIZE(queue_regs); i++) {
		rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
		rig_queue_setup(&f->rig, 0);
		rig_write(&f->rig, queue_regs[i], 1);
		assert_true(rig_broken(&f->rig));
	}
	/* taking it back first is in order */
	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
	rig_queue_setup(&f->rig, 0);
	rig_write(&f->rig, VIRTIO_MMIO_QUEUE_READY, 0);
	rig_queue_setup(&f->rig, 0);
	assert_false(rig_broken(&f->rig));
}

static void queues_need_features_ok(void **state)
{
	struct fixture *f = *state;

	rig_queue_alloc(&f->rig, 0, 16);
	/* an unloading driver does this after its reset */
	rig_write(&f->rig, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_false(rig_broken(&f->rig));
	rig_queue_setup(&f->rig, 0);
	assert_true(rig_broken(&f->rig));
	assert_int_equal(rig_read(&f->rig, VIRTIO_MMIO_QUEUE_READY), 0);
}

static void bad_queues_are_not_started(void **state)
{
	struct fixture *f = *state;

	rig_queue_alloc(&f->rig, 0, 16);
	f->rig.q[0].size = 128;			/* more than offered */
	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
	rig_queue_setup(&f->rig, 0);
	assert_true(rig_broken(&f->rig));
	f->rig.q[0].size = 16;
	f->rig.q[0].used_gpa = RIG_LOW + RIG_LOW_SIZE - 8;
	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
	rig_queue_setup(&f->rig, 0);
	assert_true(rig_broken(&f->rig));
	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
	rig_write(&f->rig, VIRTIO_MMIO_QUEUE_SEL, 2);	/* no such queue */
	rig_write(&f->rig, VIRTIO_MMIO_QUEUE_NUM, 16);
	assert_true(rig_broken(&f->rig));
}

static void a_queue_left_out_is_left_alone(void **state)
{
	struct fixture *f = *state;

	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
	set_status(f, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	rig_kick(&f->rig, 0);
	rig_kick(&f->rig, 1);
	rig_kick(&f->rig, 7);
	assert_int_equal(f->echo.chains, 0);
	assert_false(rig_broken(&f->rig));
}

static void kicks_before_driver_ok_are_kept(void **state)
{
	struct fixture *f = *state;

	rig_queue_alloc(&f->rig, 0, 16);
	rig_negotiate(&f->rig, &f->echo.mmio, RIG_FEATURES);
	rig_queue_setup(&f->rig, 0);
	add(f, 0);
	rig_kick(&f->rig, 0);
	assert_int_equal(f->echo.chains, 0);
	set_status(f, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	rig_run(&f->rig);
	assert_int_equal(f->echo.chains, 1);
}

static void a_broken_ring_leaves_the_rest_alive(void **state)
{
	struct fixture *f = *state;
	struct rig_queue *q = &f->rig.q[0];

	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
	rig_irqs(&f->rig);
	q->avail->idx = (uint16_t)(q->size + 1);
	rig_kick(&f->rig, 0);
	assert_true(rig_broken(&f->rig));
	assert_int_equal(rig_irqs(&f->rig), 1);
	add(f, 1);
	rig_kick(&f->rig, 1);
	assert_int_equal(f->echo.chains, 0);
	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
	add(f, 1);
	rig_kick(&f->rig, 1);
	assert_int_equal(f->echo.chains, 1);
}

static void reset_with_work_outstanding(void **state)
{
	struct fixture *f = *state;

	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
	f->echo.resets = 0;
	add(f, 0);
	rig_write(&f->rig, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	set_status(f, 0);
	rig_run(&f->rig);
	assert_int_equal(f->echo.chains, 0);
	assert_int_equal(f->echo.resets, 1);
	assert_int_equal(rig_read(&f->rig, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	/* and again before the loop has seen the first */
	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
	add(f, 0);
	rig_kick(&f->rig, 0);
	assert_int_equal(f->echo.chains, 1);
}

static void failed_stops_the_device(void **state)
{
	struct fixture *f = *state;

	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
	set_status(f, status(f) | FAILED);
	add(f, 0);
	rig_kick(&f->rig, 0);
	assert_int_equal(f->echo.chains, 0);
}

static void descriptors_are_made_anew(void **state)
{
	struct fixture *f = *state;

	rig_start(&f->rig, &f->echo.mmio, RIG_FEATURES);
	add(f, 1);
	assert_int_equal(virtio_mmio_kick_fd(&f->echo.mmio, 2), -1);
	/* As in a child of fork(2); what waited is found. */
	assert_int_equal(virtio_mmio_open_fds(&f->echo.mmio, NULL), 0);
	rig_run(&f->rig);
	assert_int_equal(f->echo.chains, 1);
}

static void fuzz(void **state)
{
	struct fixture *f = *state;

	rig_fuzz(&f->rig, &f->echo.mmio, 0x1d872b41, 2000);
	f->echo.chains = 0;
	add(f, 0);
	rig_kick(&f->rig, 0);
	assert_int_equal(f->echo.chains, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_says_what_it_is),
		T(other_widths_do_nothing),
		T(chains_go_round),
		T(unknown_features_are_not_accepted),
		T(features_past_the_64th_do_not_exist),
		T(status_bits_have_an_order),
		T(features_are_frozen_at_features_ok),
		T(queues_are_frozen_at_driver_ok),
		T(a_ready_queue_is_frozen),
		T(queues_need_features_ok),
		T(bad_queues_are_not_started),
		T(a_queue_left_out_is_left_alone),
		T(kicks_before_driver_ok_are_kept),
		T(a_broken_ring_leaves_the_rest_alive),
		T(reset_with_work_outstanding),
		T(failed_stops_the_device),
		T(descriptors_are_made_anew),
		T(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
