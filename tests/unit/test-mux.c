/* SPDX-License-Identifier: MIT */
/* tests/unit/test-mux.c - the multiplexer: channels and their windows */
#include "tests/unit/mux-pair.h"

static void test_session_begins(void **state)
{
	struct pair *p = *state;

	assert_true(p->host.mux.up && p->guest.mux.up);
	assert_int_equal(p->host.ups, 1);
	assert_int_equal(p->host.mux.failures + p->guest.mux.failures, 0);
}

static void test_open_tells_the_kind(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far;

	open_one(p, &far);
	assert_string_equal(p->guest.kind, "runner");
	assert_int_equal(far->id, 1);
}

static void test_refused_channel_is_closed(void **state)
{
	struct pair *p = *state;
	struct mux_chan *ch;

	p->guest.refuse = true;
	ch = mux_open(&p->host.mux, "nonsense", NULL);
	settle(p);
	assert_true(ch->rx_closed);
	mux_close(ch);
	settle(p);
	assert_int_equal(p->guest.mux.nr_chans, 0);
	assert_true(p->host.mux.up);
}

/* 4 MiB each way, both at once, in pieces of random size: nothing is lost, the
 * window holds. */
static void test_bulk_both_ways(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far, *near = open_one(p, &far);
	const size_t total = 4 * MIB;
	size_t sent[2] = { 0, 0 }, got[2] = { 0, 0 };
	struct mux_chan *ch[2] = { near, far };
	uint8_t piece[5000];

	while (got[0] < total || got[1] < total) {
		for (int i = 0; i < 2; i++) {
			size_t n = (size_t)rand_r(&p->seed) % sizeof(piece);

			n = MIN(n, total - sent[i]);
			for (size_t k = 0; k < n; k++)
				piece[k] = (uint8_t)((sent[i] + k) * 7 >> 3);
			sent[i] += mux_send(ch[i], piece, n);
		}
		carry(p, &p->host, &p->guest, 9000);
		carry(p, &p->guest, &p->host, 9000);
		for (int i = 0; i < 2; i++) {
			struct mux_chan *to = ch[!i];
			size_t n = to->rx.len;

			assert_true(n <= MUX_WINDOW);
			if (n)
				n = (size_t)rand_r(&p->seed) % (n + 1);
			for (size_t k = 0; k < n; k++)
				assert_int_equal(to->rx.data[k], (uint8_t)
						 ((got[i] + k) * 7 >> 3));
			got[i] += n;
			mux_consumed(to, n);
		}
	}
	assert_int_equal(p->host.downs, 0);
}

static void test_window_stops_the_sender(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far, *near = open_one(p, &far);
	static uint8_t data[MUX_WINDOW];
	size_t sent = 0, n;

	while ((n = mux_send(near, data, sizeof(data)))) {
		sent += n;
		settle(p);
	}
	assert_int_equal(sent, MUX_WINDOW);
	assert_int_equal(far->rx.len, MUX_WINDOW);
	mux_want(near);
	settle(p);
	assert_int_equal(p->host.outputs, 0);
	mux_consumed(far, MUX_WINDOW);
	settle(p);
	assert_int_equal(p->host.outputs, 1);
	assert_int_equal(mux_room(near), MUX_WINDOW);
}

static void test_slow_channel_does_not_stop_another(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far1, *near1 = open_one(p, &far1);
	struct mux_chan *far2, *near2 = open_one(p, &far2);
	static uint8_t data[MUX_WINDOW];

	assert_int_equal(mux_send(near1, data, sizeof(data)), MUX_WINDOW);
	settle(p);
	assert_int_equal(mux_room(near1), 0);
	assert_int_equal(mux_send(near2, "x", 1), 1);
	settle(p);
	assert_int_equal(far2->rx.len, 1);
}

static void test_eof_is_one_way(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far, *near = open_one(p, &far);

	mux_send(near, "bye", 3);
	mux_send_eof(near);
	settle(p);
	assert_true(far->rx_eof && !far->rx_closed);
	assert_int_equal(far->rx.len, 3);
	assert_int_equal(mux_room(near), 0);
	assert_int_equal(mux_send(far, "answer", 6), 6);
	settle(p);
	assert_int_equal(near->rx.len, 6);
}

static void test_close_delivers_what_was_sent(void **state)
{
	struct pair *p = *state;
	struct mux_chan *far, *near = open_one(p, &far);

	mux_send(near, "last", 4);
	mux_close(near);
	assert_int_equal(mux_send(far, "unheard", 7), 7);
	settle(p);
	assert_true(far->rx_closed);
	assert_memory_equal(far->rx.data, "last", 4);
	mux_close(far);
	settle(p);
	assert_int_equal(p->guest.mux.nr_chans + p->host.mux.nr_chans, 0);
	assert_int_equal(p->host.downs + p->guest.downs, 0);
}

static void test_too_many_channels_are_refused(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < MUX_CHANNELS; i++)
		assert_non_null(mux_open(&p->host.mux, "runner", NULL));
	assert_null(mux_open(&p->host.mux, "runner", NULL));
	settle(p);
	assert_int_equal(p->guest.mux.nr_chans, MUX_CHANNELS);
	assert_true(p->guest.mux.up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_session_begins),
		T(test_open_tells_the_kind),
		T(test_refused_channel_is_closed),
		T(test_bulk_both_ways),
		T(test_window_stops_the_sender),
		T(test_slow_channel_does_not_stop_another),
		T(test_eof_is_one_way),
		T(test_close_delivers_what_was_sent),
		T(test_too_many_channels_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
