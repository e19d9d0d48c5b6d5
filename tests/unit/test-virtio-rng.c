/* SPDX-License-Identifier: MIT */
/* tests/unit/test-virtio-rng.c - the entropy device */
#include <unistd.h>

#include "runner/vmm/virtio-rng.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

struct fixture {
	struct rig rig;
	struct virtio_rng rng;
	uint64_t buf;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->buf = rig_alloc(&f->rig, MIB);
	assert_int_equal(virtio_rng_init(&f->rng, &f->rig.env, NULL), 0);
	rig_start(&f->rig, &f->rng.mmio, RIG_FEATURES);
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

static void ask(struct fixture *f, uint32_t len)
{
	const struct rig_seg seg = { f->buf, len, true };

	rig_add(&f->rig, 0, &seg, 1);
	rig_kick(&f->rig, 0);
}

static void buffers_are_filled(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p = rig_ptr(&f->rig, f->buf);
	struct vring_used_elem e;
	unsigned int zeros = 0;

	ask(f, 1000);
	assert_true(rig_used(&f->rig, 0, &e));
	assert_int_equal(e.len, 1000);
	for (int i = 0; i < 1000; i++)
		zeros += p[i] == 0;
	assert_true(zeros < 100);
	assert_int_equal(p[1000], 0);
	assert_true(rig_irqs(&f->rig) > 0);
}

static void a_request_has_a_bound(void **state)
{
	struct fixture *f = *state;
	struct vring_used_elem e;

	ask(f, MIB);
	assert_true(rig_used(&f->rig, 0, &e));
	assert_int_equal(e.len, RNG_REQUEST_MAX);
}

static void greed_waits_for_the_timer(void **state)
{
	struct fixture *f = *state;
	struct vring_used_elem e;
	uint32_t got = 0;

	for (int i = 0; i < 24; i++) {
		ask(f, 4096);
		while (rig_used(&f->rig, 0, &e))
			got += e.len;
	}
	assert_int_equal(got, RNG_BUDGET);
	assert_false(rig_broken(&f->rig));
	for (int i = 0; i < 10 && got < RNG_BUDGET + 4096; i++) {
		rig_wait(&f->rig, 2 * RNG_PERIOD_MS);
		while (rig_used(&f->rig, 0, &e))
			got += e.len;
	}
	assert_true(got > RNG_BUDGET);
}

static void a_request_without_a_buffer_breaks_the_device(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg seg = { f->buf, 64, false };
	struct vring_used_elem e;

	rig_add(&f->rig, 0, &seg, 1);
	rig_kick(&f->rig, 0);
	assert_true(rig_broken(&f->rig));
	rig_start(&f->rig, &f->rng.mmio, RIG_FEATURES);
	ask(f, 0);
	assert_true(rig_broken(&f->rig));
	rig_start(&f->rig, &f->rng.mmio, RIG_FEATURES);
	ask(f, 8);
	assert_true(rig_used(&f->rig, 0, &e));
}

static void fuzz(void **state)
{
	struct fixture *f = *state;
	struct vring_used_elem e;

	rig_fuzz(&f->rig, &f->rng.mmio, 0xabcdef, 2000);
	for (int i = 0; i < 5; i++)
		rig_wait(&f->rig, RNG_PERIOD_MS);
	ask(f, 8);
	assert_true(rig_used(&f->rig, 0, &e));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(buffers_are_filled),
		T(a_request_has_a_bound),
		T(greed_waits_for_the_timer),
		T(a_request_without_a_buffer_breaks_the_device),
		T(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
