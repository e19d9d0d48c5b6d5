/* SPDX-License-Identifier: MIT */
/* tests/unit/test-mux-session.c - the multiplexer: restarts, hostile peers */
#include "tests/unit/mux-pair.h"

/* The host's process dies in the middle of a frame; the next one takes over. */
static void test_host_restart_at_any_byte(void **state)
{
	struct pair *p = *state;
	static uint8_t data[20000];

	for (int round = 0; round < 200; round++) {
		struct mux_chan *far, *near;

		p->guest.opened = NULL;
		near = open_one(p, &far);
		memset(data, 0xee, sizeof(data));
		mux_send(near, data, sizeof(data));
		mux_send(far, data, sizeof(data));
		carry(p, &p->host, &p->guest, 30000);
		carry(p, &p->guest, &p->host, 30000);
		mux_free(&p->host.mux);
		mux_init(&p->host.mux, MUX_HOST, &ops);
		mux_hello(&p->host.mux);
		settle(p);
		assert_true(p->host.mux.up && p->guest.mux.up);
		assert_int_equal(p->guest.mux.nr_chans, 0);
		near = open_one(p, &far);
		assert_int_equal(mux_send(near, "new", 3), 3);
		settle(p);
		assert_int_equal(far->rx.len, 3);
		mux_close(far);
		settle(p);
		mux_close(near);
	}
}

static void test_guest_restart_at_any_byte(void **state)
{
	struct pair *p = *state;
	static uint8_t data[20000];

	for (int round = 0; round < 200; round++) {
		struct mux_chan *far, *near = open_one(p, &far);

		mux_send(near, data, sizeof(data));
		mux_send(far, data, sizeof(data));
		carry(p, &p->host, &p->guest, 30000);
		carry(p, &p->guest, &p->host, 30000);
		mux_free(&p->guest.mux);
		mux_init(&p->guest.mux, MUX_GUEST, &ops);
		mux_hello(&p->guest.mux);
		settle(p);
		assert_true(p->host.mux.up && p->guest.mux.up);
		assert_int_equal(p->host.mux.nr_chans, 0);
	}
}

/* A frame that a death cut short must not deliver one byte. */
static void test_cut_frame_is_not_delivered(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far, *near = open_one(p, &far);
	int inputs = p->guest.inputs;

	mux_send(near, "half a frame", 12);
	mux_input(&p->guest.mux, p->host.mux.out.data, MUX_HEADER + 6);
	mux_hello(&p->host.mux);
	settle(p);
	assert_int_equal(p->guest.inputs, inputs);
	assert_int_equal(p->guest.gones, 1);
	assert_true(p->host.mux.up && p->guest.mux.up);
}

static void test_repeated_hello_takes_the_last(void **state)
{
	struct pair *p = *state;

	mux_hangup(&p->guest.mux);
	for (int i = 0; i < 5; i++) {
		mux_hello(&p->host.mux);
		carry(p, &p->host, &p->guest, SIZE_MAX);
	}
	settle(p);
	assert_true(p->host.mux.up && p->guest.mux.up);
	assert_memory_equal(p->host.mux.nonce, p->guest.mux.nonce, 16);
}

static void test_hangup_ends_all_channels(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far, *near = open_one(p, &far);

	mux_send(near, "x", 1);
	mux_hangup(&p->host.mux);
	assert_int_equal(p->host.gones, 1);
	assert_int_equal(p->host.mux.out.len, 0);
	assert_null(mux_open(&p->host.mux, "runner", NULL));
}

/* Frames of the right session that break its rules: the session ends, and the
 * next one stands. */
static void expect_refused(struct pair *p, uint8_t type, uint32_t id,
			   const void *data, size_t len)
{
	struct buf b = BUF_INIT;
	unsigned long failures = p->guest.mux.failures;

	mux_wire_put(&b, p->guest.mux.nonce, type, id, data, len);
	mux_input(&p->guest.mux, b.data, b.len);
	buf_free(&b);
	assert_int_equal(p->guest.mux.failures, failures + 1);
	assert_int_equal(p->guest.mux.nr_chans, 0);
	settle(p);
	assert_true(p->host.mux.up && p->guest.mux.up);
}

static void test_hostile_frames(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far;
	uint32_t much = htole32(UINT32_MAX), one = htole32(1);
	static uint8_t big[MUX_DATA_MAX];
	struct buf b = BUF_INIT;

	expect_refused(p, MUX_DATA, 7, "x", 1);		/* never opened */
	expect_refused(p, 0, 1, NULL, 0);
	expect_refused(p, MUX_CLOSE + 1, 1, NULL, 0);
	expect_refused(p, MUX_OPEN, 0, "runner", 6);
	expect_refused(p, MUX_OPEN, 1, big, MUX_KIND_MAX + 1);
	expect_refused(p, MUX_OPEN, 1, "a\0b", 3);
	open_one(p, &far);
	expect_refused(p, MUX_OPEN, 1, "again", 5);
	open_one(p, &far);
	expect_refused(p, MUX_GRANT, 1, &much, 4);
	open_one(p, &far);
	expect_refused(p, MUX_GRANT, 1, &one, 4);	/* over the window */
	open_one(p, &far);
	expect_refused(p, MUX_GRANT, 1, &one, 3);
	open_one(p, &far);
	expect_refused(p, MUX_EOF, 1, "x", 1);
	open_one(p, &far);
	expect_refused(p, MUX_CLOSE, 1, "x", 1);
	/* more than was granted */
	open_one(p, &far);
	for (size_t n = 0; n < MUX_WINDOW; n += MUX_DATA_MAX)
		mux_wire_put(&b, p->guest.mux.nonce, MUX_DATA, 1, big,
			     MUX_DATA_MAX);
	mux_input(&p->guest.mux, b.data, b.len);
	assert_int_equal(far->rx.len, MUX_WINDOW);
	buf_free(&b);
	expect_refused(p, MUX_DATA, 1, "x", 1);
	/* after its end */
	open_one(p, &far);
	mux_wire_put(&b, p->guest.mux.nonce, MUX_EOF, 1, NULL, 0);
	mux_input(&p->guest.mux, b.data, b.len);
	buf_free(&b);
	expect_refused(p, MUX_DATA, 1, "x", 1);
}

static void test_long_frame_is_refused_at_its_header(void **state)
{
	struct pair *p = *state;
	uint8_t header[MUX_HEADER] = { 1, 0x80, 0, 0, MUX_DATA, 0, 0, 0, 1 };

	mux_input(&p->guest.mux, header, sizeof(header));
	assert_int_equal(p->guest.mux.failures, 1);
}

static void test_host_takes_no_channels(void **state)
{
	struct pair *p = *state;
	struct buf b = BUF_INIT;

	mux_wire_put(&b, p->host.mux.nonce, MUX_OPEN, 1, "runner", 6);
	mux_input(&p->host.mux, b.data, b.len);
	buf_free(&b);
	assert_int_equal(p->host.mux.failures, 1);
}

/* A peer that asks for ever and reads nothing must not cost memory. */
static void test_output_is_bounded(void **state)
{
	struct pair *p = *state;
	struct buf b = BUF_INIT;

	p->guest.refuse = true;
	for (uint32_t id = 1; !p->guest.mux.failures; id++) {
		b.len = 0;
		mux_wire_put(&b, p->guest.mux.nonce, MUX_OPEN, id, "x", 1);
		mux_input(&p->guest.mux, b.data, b.len);
		assert_true(p->guest.mux.out.len <= MUX_OUT_MAX);
	}
	buf_free(&b);
	assert_int_equal(p->guest.mux.out.len, MUX_FRAME_MAX);
	settle(p);
	assert_true(p->host.mux.up && p->guest.mux.up);
}

static void test_noise_is_survived(void **state)
{
	struct pair *p = *state;
	uint8_t noise[3000];

	for (int round = 0; round < 500; round++) {
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)rand_r(&p->seed);
		mux_input(&p->guest.mux, noise, sizeof(noise));
		mux_input(&p->host.mux, noise, sizeof(noise));
	}
	settle(p);
	assert_true(p->host.mux.up && p->guest.mux.up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_host_restart_at_any_byte),
		T(test_guest_restart_at_any_byte),
		T(test_cut_frame_is_not_delivered),
		T(test_repeated_hello_takes_the_last),
		T(test_hangup_ends_all_channels),
		T(test_hostile_frames),
		T(test_long_frame_is_refused_at_its_header),
		T(test_host_takes_no_channels),
		T(test_output_is_bounded),
		T(test_noise_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
