/* SPDX-License-Identifier: MIT */
/* tests/unit/test-frame.c - buffers, tagged values and framed streams */
#include "common/frame.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/tlv.h"
#include "tests/unit/unit.h"

static void buf_refuses_to_grow_past_its_bound(void **state)
{
	struct buf b = { .max = 10 };

	assert_int_equal(buf_append(&b, "0123456789", 10), 0);
	assert_int_equal(buf_append(&b, "x", 1), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_string_equal(buf_str(&b), "0123456789");
	buf_free(&b);
}

static void buf_consume_keeps_the_rest(void **state)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s-%d", "abc", 12);
	buf_consume(&b, 4);
	assert_string_equal(buf_str(&b), "12");
	buf_free(&b);
}

static void tlv_values_come_back_in_order(void **state)
{
	struct buf b = BUF_INIT;
	struct tlv t;
	size_t pos = 0;
	char text[8];

	tlv_put_u32(&b, 7, 0xdeadbeef);
	tlv_put_str(&b, 8, "hello");
	tlv_put_u64(&b, 9, 1ULL << 40);
	assert_int_equal(tlv_next(b.data, b.len, &pos, &t), 1);
	assert_int_equal(t.tag, 7);
	assert_int_equal(tlv_u32(&t), 0xdeadbeef);
	assert_int_equal(tlv_next(b.data, b.len, &pos, &t), 1);
	assert_int_equal(tlv_str(&t, text, sizeof(text)), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(tlv_next(b.data, b.len, &pos, &t), 1);
	assert_int_equal(tlv_u64(&t), 1ULL << 40);
	assert_int_equal(tlv_u32(&t), 0);
	assert_int_equal(tlv_next(b.data, b.len, &pos, &t), 0);
	buf_free(&b);
}

static void tlv_refuses_a_length_past_the_payload(void **state)
{
	struct buf b = BUF_INIT;
	struct tlv t;
	size_t pos = 0;

	tlv_put_str(&b, 8, "hello");
	assert_int_equal(tlv_next(b.data, b.len - 1, &pos, &t), -1);
	pos = 0;
	assert_int_equal(tlv_next(b.data, 5, &pos, &t), -1);
	memset(b.data + 4, 0xff, 4);
	pos = 0;
	assert_int_equal(tlv_next(b.data, b.len, &pos, &t), -1);
	buf_free(&b);
}

static void tlv_text_with_a_nul_is_refused(void **state)
{
	struct tlv t = { .len = 3, .data = (const uint8_t *)"a\0b" };
	char text[8];

	assert_int_equal(tlv_str(&t, text, sizeof(text)), -1);
	assert_null(tlv_strdup(&t));
}

static void frame_survives_any_chunking(void **state)
{
	struct frame_reader r = { 0 };
	struct buf out = BUF_INIT;
	struct frame f;
	int fds[2], frames = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	frame_put(&out, 3, "abc", 3);
	frame_put(&out, 4, NULL, 0);
	frame_put(&out, 5, "defgh", 5);
	for (size_t i = 0; i < out.len; i++) {
		assert_int_equal(write(fds[0], out.data + i, 1), 1);
		assert_int_equal(frame_fill(&r, fds[1]), 1);
		while (frame_next(&r, &f) == 1) {
			assert_int_equal(f.type, 3 + frames);
			frames++;
		}
	}
	assert_int_equal(frames, 3);
	assert_int_equal(f.len, 5);
	assert_memory_equal(f.data, "defgh", 5);
	frame_reader_free(&r);
	buf_free(&out);
	close(fds[0]);
	close(fds[1]);
}

static void frame_with_a_huge_length_ends_the_stream(void **state)
{
	struct frame_reader r = { 0 };
	uint8_t head[FRAME_HEADER] = { 1, 0, 0x10, 0, 3 };
	struct frame f;

	buf_append(&r.buf, head, sizeof(head));
	assert_int_equal(frame_next(&r, &f), -1);
	frame_reader_free(&r);
}

static void frame_with_reserved_bytes_ends_the_stream(void **state)
{
	struct frame_reader r = { 0 };
	uint8_t head[FRAME_HEADER] = { 0, 0, 0, 0, 3, 1 };
	struct frame f;

	buf_append(&r.buf, head, sizeof(head));
	assert_int_equal(frame_next(&r, &f), -1);
	frame_reader_free(&r);
}

static void *write_largest(void *arg)
{
	static uint8_t data[FRAME_MAX];

	memset(data, 0x5a, sizeof(data));
	frame_write(*(int *)arg, 9, data, sizeof(data));
	close(*(int *)arg);
	return NULL;
}

static void frame_of_the_largest_size_passes(void **state)
{
	struct frame_reader r = { 0 };
	struct frame f;
	pthread_t thread;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pthread_create(&thread, NULL, write_largest, &fds[0]);
	assert_int_equal(frame_read(&r, fds[1], &f), 1);
	assert_int_equal(f.len, FRAME_MAX);
	assert_int_equal(f.data[FRAME_MAX - 1], 0x5a);
	assert_int_equal(frame_read(&r, fds[1], &f), 0);
	pthread_join(thread, NULL);
	frame_reader_free(&r);
	close(fds[1]);
}

static void frame_cut_short_is_an_error(void **state)
{
	struct frame_reader r = { 0 };
	struct frame f;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[0], "\5\0\0", 3), 3);
	close(fds[0]);
	assert_int_equal(frame_read(&r, fds[1], &f), -1);
	assert_int_equal(errno, EPROTO);
	frame_reader_free(&r);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_refuses_to_grow_past_its_bound),
		cmocka_unit_test(buf_consume_keeps_the_rest),
		cmocka_unit_test(tlv_values_come_back_in_order),
		cmocka_unit_test(tlv_refuses_a_length_past_the_payload),
		cmocka_unit_test(tlv_text_with_a_nul_is_refused),
		cmocka_unit_test(frame_survives_any_chunking),
		cmocka_unit_test(frame_with_a_huge_length_ends_the_stream),
		cmocka_unit_test(frame_with_reserved_bytes_ends_the_stream),
		cmocka_unit_test(frame_of_the_largest_size_passes),
		cmocka_unit_test(frame_cut_short_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
