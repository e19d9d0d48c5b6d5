/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-virtio-state.c - a device's registers and queues from a file
 *
 * The file is a driver that nobody has watched: a device that takes it over must
 * do no more harm than one whose registers it had written to.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/vmm/virtio-rng.h"
#include "runner/vmm/virtio-state.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

/* As virtio-state.c has it. */
struct queue_section {
	uint32_t size, ready;
	uint64_t desc, avail, used;
	uint16_t avail_next, used_next, used_signalled, reserved;
};

struct section {
	uint32_t id, status, isr;
	uint32_t features_sel, driver_features_sel, queue_sel;
	uint64_t features;
	struct queue_section queues[VIRTIO_QUEUES_MAX];
};

struct fixture {
	struct rig rig;
	struct virtio_rng rng;
	struct section good;	/* of a device that works */
	uint64_t buf;
};

static struct statefile *file_of(void (*put)(void *arg,
					     struct statefile_writer *w),
				 void *arg)
{
	struct statefile *s = calloc(1, sizeof(*s));
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct statefile_writer w;
	struct err err = ERR_INIT;

	statefile_begin(&w);
	put(arg, &w);
	assert_int_equal(statefile_end(&w, fd, &err), 0);
	if (statefile_load(s, fd, &err) < 0)
		fail_msg("%s", err.msg);
	close(fd);
	return s;
}

static void file_free(struct statefile *s)
{
	statefile_free(s);
	free(s);
}

static void put_device(void *arg, struct statefile_writer *w)
{
	struct fixture *f = arg;

	virtio_state_put(&f->rng.mmio, 3, w);
}

static void put_section(void *arg, struct statefile_writer *w)
{
	statefile_put(w, arg, sizeof(struct section), "virtio3");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct statefile *s;

	rig_init(&f->rig);
	f->buf = rig_alloc(&f->rig, MIB);
	assert_int_equal(virtio_rng_init(&f->rng, &f->rig.env, NULL), 0);
	rig_start(&f->rig, &f->rng.mmio, RIG_FEATURES);
	s = file_of(put_device, f);
	assert_int_equal(statefile_get(s, &f->good, sizeof(f->good), NULL,
				       "virtio3"), 0);
	file_free(s);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_rng_free(&f->rng);
	rig_free(&f->rig);
	free(f);
	return 0;
}

/* A fresh device takes over @sec. Return: 0, or -1: refused. */
static int take(struct fixture *f, struct section *sec)
{
	struct statefile *s = file_of(put_section, sec);
	struct err err = ERR_INIT;
	int rc;

	virtio_rng_free(&f->rng);
	assert_int_equal(virtio_rng_init(&f->rng, &f->rig.env, NULL), 0);
	rc = virtio_state_get(&f->rng.mmio, 3, s, &err);
	if (rc < 0)
		assert_non_null(strstr(err.msg, "state: "));
	file_free(s);
	return rc;
}

static bool ask(struct fixture *f)
{
	const struct rig_seg seg = { f->buf, 64, true };
	struct vring_used_elem e;

	rig_add(&f->rig, 0, &seg, 1);
	rig_kick(&f->rig, 0);
	return rig_used(&f->rig, 0, &e) && e.len == 64;
}

static void a_device_goes_on_in_the_middle_of_its_ring(void **state)
{
	struct fixture *f = *state;
	struct statefile *s;
	struct section sec;

	for (int i = 0; i < 100; i++)
		assert_true(ask(f));
	s = file_of(put_device, f);
	assert_int_equal(statefile_get(s, &sec, sizeof(sec), NULL, "virtio3"),
			 0);
	file_free(s);
	assert_int_equal(sec.queues[0].avail_next, 100);
	assert_int_equal(take(f, &sec), 0);
	assert_true(ask(f));
	rig_irqs(&f->rig);
	assert_true(ask(f));
	assert_true(rig_irqs(&f->rig) > 0);
}

static void what_no_driver_can_bring_about_is_refused(void **state)
{
	static const uint32_t sizes[] = {
		0, 3, 255, 512, 65536, 65537, 1u << 31, UINT32_MAX,
	};
	static const uint64_t places[] = {
		0, RIG_LOW - 8192, RIG_LOW + RIG_LOW_SIZE - 16, RIG_HIGH - 16,
		RIG_HIGH + RIG_HIGH_SIZE, UINT64_MAX, UINT64_MAX - 15,
		1ULL << 63, RIG_LOW + 1,
	};
	struct fixture *f = *state;
	struct section s;

	assert_int_equal(take(f, &f->good), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		s = f->good;
		s.queues[0].size = sizes[i];
		assert_int_equal(take(f, &s), -1);
		/* a queue that is not ready may have any, as registers may */
		s.queues[0].ready = 0;
		assert_int_equal(take(f, &s), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		s = f->good;
		s.queues[0].desc = places[i];
		assert_int_equal(take(f, &s), -1);
		s = f->good;
		s.queues[0].avail = places[i];
		assert_int_equal(take(f, &s), -1);
		s = f->good;
		s.queues[0].used = places[i];
		assert_int_equal(take(f, &s), -1);
	}
	s = f->good;
	s.features |= 1ULL << 40;
	assert_int_equal(take(f, &s), -1);
	s = f->good;
	s.status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	assert_int_equal(take(f, &s), -1);
	s = f->good;
	s.id = VIRTIO_ID_BLOCK;
	assert_int_equal(take(f, &s), -1);
}

/* Indices and selectors may be any: they lead to no place outside the ring. */
static void any_index_is_survived(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 5;

	for (int i = 0; i < 3000; i++) {
		struct section s = f->good;
		struct queue_section *q = &s.queues[0];
		const struct rig_seg seg = { f->buf, 64, true };
		struct vring_used_elem e;

		q->avail_next = (uint16_t)rig_random(&seed);
		q->used_next = (uint16_t)rig_random(&seed);
		q->used_signalled = (uint16_t)rig_random(&seed);
		s.isr = rig_random(&seed);
		s.queue_sel = rig_random(&seed);
		s.features_sel = rig_random(&seed);
		s.driver_features_sel = rig_random(&seed);
		if (i % 3 == 0)		/* near to what is there */
			q->avail_next = (uint16_t)(f->rig.q[0].avail->idx -
						   rig_random(&seed) % 4);
		assert_int_equal(take(f, &s), 0);
		for (uint32_t reg = 0; reg < 0x100; reg += 4)
			rig_read(&f->rig, reg);
		rig_add(&f->rig, 0, &seg, 1);
		rig_kick(&f->rig, 0);
		rig_run(&f->rig);
		while (rig_used(&f->rig, 0, &e))
			continue;
	}
	/* and a reset makes it whole */
	rig_start(&f->rig, &f->rng.mmio, RIG_FEATURES);
	assert_true(ask(f));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_device_goes_on_in_the_middle_of_its_ring),
		TEST(what_no_driver_can_bring_about_is_refused),
		TEST(any_index_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
