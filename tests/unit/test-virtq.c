/* SPDX-License-Identifier: MIT */
/* tests/unit/test-virtq.c - the device side of a split virtqueue */
#include <errno.h>

#include "runner/vmm/virtq.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define SIZE 16

struct fixture {
	struct rig rig;
	struct virtq q;
	struct virtq_chain c;
	uint64_t buf;
};

static int start(struct fixture *f, bool event_idx)
{
	const struct rig_queue *d = &f->rig.q[0];
	struct virtq_config cfg = { d->size, d->desc_gpa, d->avail_gpa,
				    d->used_gpa };

	return virtq_start(&f->q, &f->rig.mem, &cfg, VIRTQ_SIZE_MAX, event_idx);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	rig_queue_alloc(&f->rig, 0, SIZE);
	f->buf = rig_alloc(&f->rig, 65536);
	*state = f;
	return start(f, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_free(&f->rig);
	free(f);
	return 0;
}

static int pop(struct fixture *f)
{
	return virtq_pop(&f->q, &f->rig.mem, &f->c);
}

/* One descriptor, as it stands, is the whole chain. */
static int pop_desc(struct fixture *f, struct vring_desc d)
{
	struct rig_queue *q = &f->rig.q[0];

	q->desc[0] = d;
	q->avail->ring[q->avail->idx % SIZE] = 0;
	q->avail->idx++;
	return pop(f);
}

static void chain_has_its_ranges_in_order(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg segs[] = {
		{ f->buf, 16, false }, { f->buf + 100, 7, false },
		{ f->buf + 200, 0, false }, { f->buf + 300, 9, true },
		{ RIG_HIGH + RIG_HIGH_SIZE - 8, 8, true },
	};

	assert_int_equal(pop(f), 0);
	assert_int_equal(rig_add(&f->rig, 0, segs, 5), 0);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->c.head, 0);
	assert_int_equal(f->c.out.nr, 2);	/* the empty one is left out */
	assert_int_equal(f->c.out.len, 23);
	assert_ptr_equal(f->c.out.iov[1].iov_base,
			 rig_ptr(&f->rig, f->buf + 100));
	assert_int_equal(f->c.in.nr, 2);
	assert_int_equal(f->c.in.len, 17);
	assert_int_equal(f->c.in.iov[1].iov_len, 8);
	assert_int_equal(pop(f), 0);
}

static void indices_wrap_around(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg segs[] = { { f->buf, 8, false },
					{ f->buf + 8, 8, true } };
	struct vring_used_elem e;

	for (uint32_t i = 0; i < 70000; i++) {
		uint16_t head = rig_add(&f->rig, 0, segs, 2);

		assert_int_equal(pop(f), 1);
		assert_int_equal(f->c.head, head);
		virtq_push(&f->q, head, i);
		assert_true(rig_used(&f->rig, 0, &e));
		assert_int_equal(e.id, head);
		assert_int_equal(e.len, i);
	}
}

static void unpopped_chain_comes_again(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg seg = { f->buf, 8, true };
	uint16_t head = rig_add(&f->rig, 0, &seg, 1);

	assert_int_equal(pop(f), 1);
	virtq_unpop(&f->q);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->c.head, head);
	assert_int_equal(pop(f), 0);
}

static void bad_configurations_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct rig_queue *d = &f->rig.q[0];
	const uint64_t end = RIG_LOW + RIG_LOW_SIZE;
	const struct virtq_config good = { SIZE, d->desc_gpa, d->avail_gpa,
					   d->used_gpa };
	const struct {
		struct virtq_config cfg;
		int rc;
	} cases[] = {
		{ good, 0 },
		{ { 0, good.desc, good.avail, good.used }, -1 },
		{ { 12, good.desc, good.avail, good.used }, -1 },
		{ { 64, good.desc, good.avail, good.used }, -1 },
		{ { 0x10010, good.desc, good.avail, good.used }, -1 },
		{ { SIZE, good.desc + 8, good.avail, good.used }, -1 },
		{ { SIZE, good.desc, good.avail + 1, good.used }, -1 },
		{ { SIZE, good.desc, good.avail, good.used + 2 }, -1 },
		/* the last byte outside of the slot; just inside */
		{ { SIZE, end - 16 * SIZE + 16, good.avail, good.used }, -1 },
		{ { SIZE, end - 16 * SIZE, good.avail, good.used }, 0 },
		{ { SIZE, good.desc, end - 4 - 2 * SIZE, good.used }, -1 },
		{ { SIZE, good.desc, end - 6 - 2 * SIZE, good.used }, 0 },
		{ { SIZE, good.desc, good.avail, end - 4 - 8 * SIZE }, -1 },
		{ { SIZE, good.desc, good.avail, end - 8 - 8 * SIZE }, 0 },
		/* in the hole; wrapping around */
		{ { SIZE, end + 4096, good.avail, good.used }, -1 },
		{ { SIZE, UINT64_MAX - 15, good.avail, good.used }, -1 },
		{ { SIZE, good.desc, UINT64_MAX - 1, good.used }, -1 },
		{ { SIZE, good.desc, good.avail, UINT64_MAX - 3 }, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rc = virtq_start(&f->q, &f->rig.mem, &cases[i].cfg, 32,
				     true);

		assert_int_equal(rc, cases[i].rc);
		assert_int_equal(f->q.ready, rc == 0);
		assert_true(rc == 0 || f->q.why);
	}
}

static void buffers_outside_of_memory_are_refused(void **state)
{
	struct fixture *f = *state;
	const uint64_t end = RIG_LOW + RIG_LOW_SIZE;
	const struct vring_desc bad[] = {
		{ 0, 1, 0, 0 },				/* below */
		{ RIG_LOW - 1, 2, 0, 0 },
		{ end, 1, 0, 0 },			/* in the hole */
		{ end - 1, 2, 0, 0 },			/* one byte too long */
		{ end - 1, 2, VRING_DESC_F_WRITE, 0 },
		{ RIG_LOW, (uint32_t)RIG_LOW_SIZE + 1, 0, 0 },
		{ RIG_LOW, UINT32_MAX, 0, 0 },		/* across slots */
		{ UINT64_MAX, 1, 0, 0 },		/* overflows */
		{ UINT64_MAX - 10, 100, 0, 0 },
		{ UINT64_MAX - 10, UINT32_MAX, VRING_DESC_F_WRITE, 0 },
		{ RIG_HIGH + RIG_HIGH_SIZE - 1, 2, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(start(f, true), 0);
		f->rig.q[0].avail->idx = 0;
		assert_int_equal(pop_desc(f, bad[i]), -1);
		assert_non_null(f->q.why);
	}
}

static void indirect_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pop_desc(f, (struct vring_desc){
		f->buf, 16, VRING_DESC_F_INDIRECT, 0 }), -1);
}

static void readable_after_writable_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg segs[] = { { f->buf, 8, true },
					{ f->buf, 8, false } };

	rig_add(&f->rig, 0, segs, 2);
	assert_int_equal(pop(f), -1);
}

static void loops_end(void **state)
{
	struct fixture *f = *state;

	/* onto itself */
	assert_int_equal(pop_desc(f, (struct vring_desc){
		f->buf, 8, VRING_DESC_F_NEXT, 0 }), -1);
	/* a pair; empty descriptors count as well */
	assert_int_equal(start(f, true), 0);
	f->rig.q[0].avail->idx = 0;
	f->rig.q[0].desc[1] = (struct vring_desc){ f->buf, 0,
						   VRING_DESC_F_NEXT, 0 };
	assert_int_equal(pop_desc(f, (struct vring_desc){
		f->buf, 0, VRING_DESC_F_NEXT, 1 }), -1);
}

static void a_chain_may_use_the_whole_table_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct rig_seg segs[SIZE];

	for (int i = 0; i < SIZE; i++)
		segs[i] = (struct rig_seg){ f->buf, 8, i > 3 };
	rig_add(&f->rig, 0, segs, SIZE);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->c.out.nr + f->c.in.nr, SIZE);
	virtq_push(&f->q, 0, 0);
	rig_add(&f->rig, 0, segs, SIZE);
	f->rig.q[0].desc[SIZE - 1].flags |= VRING_DESC_F_NEXT;
	assert_int_equal(pop(f), -1);
}

static void indices_out_of_the_table_are_refused(void **state)
{
	struct fixture *f = *state;
	struct rig_queue *q = &f->rig.q[0];

	assert_int_equal(pop_desc(f, (struct vring_desc){
		f->buf, 8, VRING_DESC_F_NEXT, SIZE }), -1);
	assert_int_equal(start(f, true), 0);
	q->avail->ring[0] = SIZE;
	q->avail->idx = 1;
	assert_int_equal(pop(f), -1);
	q->avail->ring[0] = 0xffff;
	assert_int_equal(pop(f), -1);
	/* more chains than there are descriptors */
	q->avail->idx = SIZE + 1;
	assert_int_equal(pop(f), -1);
	q->avail->idx = 0xffff;
	assert_int_equal(pop(f), -1);
}

static void chain_over_4_gib_is_refused(void **state)
{
	struct fixture *f = *state;
	struct rig_seg segs[VIRTQ_SIZE_MAX];

	rig_queue_alloc(&f->rig, 0, VIRTQ_SIZE_MAX);
	assert_int_equal(start(f, true), 0);
	for (int i = 0; i < VIRTQ_SIZE_MAX; i++)
		segs[i] = (struct rig_seg){ RIG_LOW, RIG_LOW_SIZE, true };
	rig_add(&f->rig, 0, segs, 127);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->c.in.len, 127 * RIG_LOW_SIZE);
	rig_add(&f->rig, 0, segs, 128);
	assert_int_equal(pop(f), -1);
}

static void event_index_asks_for_interrupts(void **state)
{
	struct fixture *f = *state;
	struct rig_queue *q = &f->rig.q[0];

	assert_false(virtq_should_notify(&f->q));	/* nothing pushed */
	q->avail->ring[SIZE] = 0;			/* at the first */
	virtq_push(&f->q, 0, 0);
	assert_true(virtq_should_notify(&f->q));
	assert_false(virtq_should_notify(&f->q));
	q->avail->ring[SIZE] = 3;			/* at the fourth */
	virtq_push(&f->q, 0, 0);
	virtq_push(&f->q, 0, 0);
	assert_false(virtq_should_notify(&f->q));
	virtq_push(&f->q, 0, 0);
	assert_true(virtq_should_notify(&f->q));
}

static void flags_ask_without_event_index(void **state)
{
	struct fixture *f = *state;
	struct rig_queue *q = &f->rig.q[0];

	assert_int_equal(start(f, false), 0);
	virtq_push(&f->q, 0, 0);
	assert_true(virtq_should_notify(&f->q));
	q->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	virtq_push(&f->q, 0, 0);
	assert_false(virtq_should_notify(&f->q));
	virtq_kicks(&f->q, false);
	assert_int_equal(q->used->flags, VRING_USED_F_NO_NOTIFY);
	virtq_kicks(&f->q, true);
	assert_int_equal(q->used->flags, 0);
}

static void asking_for_kicks_sees_what_came_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct rig_queue *q = &f->rig.q[0];
	const struct rig_seg seg = { f->buf, 8, true };

	assert_false(virtq_kicks(&f->q, true));
	rig_add(&f->rig, 0, &seg, 1);
	assert_true(virtq_kicks(&f->q, true));
	assert_int_equal(pop(f), 1);
	assert_false(virtq_kicks(&f->q, true));
	/* avail_event stands behind the used ring */
	assert_int_equal(*(uint16_t *)&q->used->ring[SIZE], 1);
}

static void spans_are_read_written_cut_and_split(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg segs[] = {
		{ f->buf, 3, false }, { f->buf + 3, 5, false },
		{ f->buf + 8, 4, true }, { f->buf + 12, 4, true },
	};
	struct virtq_span front;
	struct iovec iov[6];
	char text[17] = "";

	memcpy(rig_ptr(&f->rig, f->buf), "abcdefgh", 8);
	rig_add(&f->rig, 0, segs, 4);
	assert_int_equal(pop(f), 1);
	assert_int_equal(virtq_read(&f->c.out, text, 4), 4);
	assert_string_equal(text, "abcd");
	assert_int_equal(f->c.out.len, 4);
	virtq_cut(&f->c.out, 3);
	assert_int_equal(virtq_read(&f->c.out, text, 16), 3);
	assert_memory_equal(text, "efgd", 4);
	assert_int_equal(f->c.out.nr, 0);

	assert_ptr_equal(virtq_take_last(&f->c.in),
			 rig_ptr(&f->rig, f->buf + 15));
	front = virtq_take(&f->c.in, 6, iov);
	assert_int_equal(front.nr, 2);
	assert_int_equal(front.len, 6);
	assert_int_equal(f->c.in.len, 1);
	assert_int_equal(virtq_write(&front, "uvwxyz!", 7), 6);
	virtq_skip(&f->c.in, 100);
	assert_int_equal(f->c.in.len, 0);
	assert_null(virtq_take_last(&f->c.in));
	assert_memory_equal(rig_ptr(&f->rig, f->buf + 8), "uvwxyz\0", 8);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(chain_has_its_ranges_in_order),
		T(indices_wrap_around),
		T(unpopped_chain_comes_again),
		T(bad_configurations_are_refused),
		T(buffers_outside_of_memory_are_refused),
		T(indirect_is_refused),
		T(readable_after_writable_is_refused),
		T(loops_end),
		T(a_chain_may_use_the_whole_table_and_no_more),
		T(indices_out_of_the_table_are_refused),
		T(chain_over_4_gib_is_refused),
		T(event_index_asks_for_interrupts),
		T(flags_ask_without_event_index),
		T(asking_for_kicks_sees_what_came_meanwhile),
		T(spans_are_read_written_cut_and_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
