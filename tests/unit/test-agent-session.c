/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-session.c - streams of commands: input, output, ends */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/unit.h"

static uint32_t next_window(int fd, struct frame_reader *in)
{
	struct frame f;
	uint32_t granted;

	do {
		assert_true(rig_next(fd, in, &f));
	} while (f.type != AGENT_WINDOW);
	assert_int_equal(f.len, 4);
	memcpy(&granted, f.data, 4);
	return granted;
}

static void send_signal(int fd, int sig)
{
	uint32_t le = (uint32_t)sig;

	rig_send(fd, AGENT_SIGNAL, &le, sizeof(le));
}

static void input_reaches_the_command_and_ends(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "cat; echo end", AGENT_EXEC_STDIN);
	struct reply reply;

	assert_int_equal(next_window(fd, &in), AGENT_STDIN_WINDOW);
	rig_send(fd, AGENT_STDIN, "hello ", 6);
	rig_send(fd, AGENT_STDIN, "world\n", 6);
	rig_send(fd, AGENT_STDIN_EOF, NULL, 0);
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "hello world\nend\n");
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void without_input_it_is_dev_null(void **state)
{
	struct reply reply;

	rig_sh(*state, "readlink /proc/self/fd/0; cat", &reply);
	assert_string_equal(buf_str(&reply.out), "/dev/null\n");
	reply_free(&reply);
}

static void a_lot_of_input_arrives_whole(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "cksum", AGENT_EXEC_STDIN);
	uint64_t window = 0, left = 5000000;
	uint8_t zeros[50000] = { 0 };
	struct reply reply;

	while (left) {
		size_t n = (size_t)MIN(left, sizeof(zeros));

		while (window < n)
			window += next_window(fd, &in);
		rig_send(fd, AGENT_STDIN, zeros, n);
		window -= n;
		left -= n;
	}
	rig_send(fd, AGENT_STDIN_EOF, NULL, 0);
	rig_collect(fd, &in, &reply);
	assert_non_null(strstr(buf_str(&reply.out), " 5000000"));
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void input_beyond_the_window_is_refused(void **state)
{
	int fd = rig_start_sh(*state, "sleep 60", AGENT_EXEC_STDIN);
	static uint8_t bytes[AGENT_STDIN_WINDOW + 1];
	struct reply reply;

	rig_send(fd, AGENT_STDIN, bytes, sizeof(bytes));
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	reply_free(&reply);
	close(fd);
}

static void a_signal_overtakes_input_that_nobody_reads(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "sleep 60", AGENT_EXEC_STDIN);
	static uint8_t bytes[AGENT_STDIN_WINDOW];
	struct reply reply;

	next_window(fd, &in);
	rig_send(fd, AGENT_STDIN, bytes, sizeof(bytes));
	send_signal(fd, SIGTERM);
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.signaled, SIGTERM);
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void input_for_a_command_that_closed_it_is_dropped(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "exec <&-; sleep 0.5; exit 4",
			      AGENT_EXEC_STDIN);
	uint8_t bytes[32768] = { 0 };
	uint64_t window = 0;
	struct reply reply;

	for (int i = 0; i < 32; i++) {
		while (window < sizeof(bytes))
			window += next_window(fd, &in);
		rig_send(fd, AGENT_STDIN, bytes, sizeof(bytes));
		window -= sizeof(bytes);
	}
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.status, 4);
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void signals_reach_the_whole_group(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "trap 'echo got; exit 9' INT; echo up; "
			      "while :; do sleep 0.1; done", 0);
	struct reply reply;
	struct frame f;

	do {
		assert_true(rig_next(fd, &in, &f));
	} while (f.type != AGENT_STDOUT);
	send_signal(fd, SIGINT);
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.status, 9);
	assert_string_equal(buf_str(&reply.out), "got\n");
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void a_lot_of_output_comes_whole(void **state)
{
	struct reply reply;

	rig_sh(*state, "head -c 30000000 /dev/zero; echo done >&2", &reply);
	assert_int_equal(reply.out.len, 30000000);
	assert_string_equal(buf_str(&reply.err), "done\n");
	assert_int_equal(reply.status, 0);
	reply_free(&reply);
}

static void endless_output_is_held_back_and_ends_with_the_stream(void **state)
{
	struct rig *r = *state;
	char script[256];
	int fd;

	snprintf(script, sizeof(script), "echo $$ >%s; exec yes",
		 rig_path(r, "pid"));
	fd = rig_start_sh(r, script, 0);
	assert_true(rig_wait_file(rig_path(r, "pid"), true));
	usleep(300000);
	/* blocked in write(2), not running: it is held back */
	assert_int_equal(rig_host("grep -q '^State:.[SD]' /proc/$(cat %s)/status",
				  rig_path(r, "pid")), 0);
	rig_hang_up(fd);
	assert_int_equal(rig_host("for i in $(seq 50); do kill -0 $(cat %s) "
				  "2>/dev/null || exit 0; sleep 0.1; done; "
				  "exit 1", rig_path(r, "pid")), 0);
	close(fd);
}

static void children_in_the_background_do_not_hold_the_exit_back(void **state)
{
	uint64_t start = rig_now_ms();
	struct reply reply;

	rig_sh(*state, "sleep 30 & echo hi", &reply);
	assert_string_equal(buf_str(&reply.out), "hi\n");
	assert_true(rig_now_ms() - start < 5000);
	reply_free(&reply);
}

static void children_in_the_background_live_on_and_may_write(void **state)
{
	struct rig *r = *state;
	struct reply reply;
	char script[256];

	snprintf(script, sizeof(script), "(sleep 0.3; echo a; sleep 0.1; "
		 "head -c 300000 /dev/zero; touch %s) & echo hi",
		 rig_path(r, "alive"));
	rig_sh(r, script, &reply);
	assert_string_equal(buf_str(&reply.out), "hi\n");
	reply_free(&reply);
	assert_true(rig_wait_file(rig_path(r, "alive"), true));
}

static void a_background_flood_does_not_hold_the_exit_back(void **state)
{
	struct reply reply;

	rig_sh(*state, "timeout 5 yes & sleep 0.2; exit 5", &reply);
	assert_int_equal(reply.type, AGENT_EXIT);
	assert_int_equal(reply.status, 5);
	reply_free(&reply);
}

static void a_lost_stream_hangs_the_command_up(void **state)
{
	struct rig *r = *state;
	char script[256];
	int fd;

	snprintf(script, sizeof(script), "trap 'touch %s; exit' HUP; touch %s; "
		 "while :; do sleep 0.1; done", rig_path(r, "hup"),
		 rig_path(r, "ready"));
	fd = rig_start_sh(r, script, 0);
	assert_true(rig_wait_file(rig_path(r, "ready"), true));
	rig_hang_up(fd);
	assert_true(rig_wait_file(rig_path(r, "hup"), true));
	close(fd);
}

static void a_command_that_ignores_the_hangup_is_killed(void **state)
{
	struct rig *r = *state;
	uint64_t start;
	char script[256];
	int fd;

	snprintf(script, sizeof(script), "trap '' HUP; echo $$ >%s; "
		 "while :; do sleep 0.1; done", rig_path(r, "pid2"));
	fd = rig_start_sh(r, script, 0);
	assert_true(rig_wait_file(rig_path(r, "pid2"), true));
	usleep(100000);
	start = rig_now_ms();
	rig_hang_up(fd);
	assert_int_equal(rig_host("for i in $(seq 80); do kill -0 $(cat %s) "
				  "2>/dev/null || exit 0; sleep 0.1; done; "
				  "exit 1", rig_path(r, "pid2")), 0);
	close(fd);
	assert_in_range(rig_now_ms() - start, 1800, 8000);
}

static void unknown_frames_are_refused(void **state)
{
	int fd = rig_start_sh(*state, "sleep 60", 0);
	struct reply reply;

	rig_send(fd, 200, "x", 1);
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	reply_free(&reply);
	close(fd);
}

static void malformed_frames_are_refused(void **state)
{
	struct rig *r = *state;
	uint8_t junk[16] = { 0xff, 0xff, 0xff, 0xff, 2 };
	struct reply reply;
	int fd = rig_open(r);

	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	reply_free(&reply);
	close(fd);
	rig_ask(r, AGENT_EXEC, &(struct buf){ (uint8_t *)"\1\0\0\0\xff\xff\xff\xff",
					      8, 8, 8 }, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
	rig_ask(r, 99, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
}

/* A reserved byte is set. */
static void a_malformed_frame_hangs_its_command_up(void **state)
{
	const uint8_t junk[FRAME_HEADER] = { [4] = AGENT_STDIN, [5] = 1 };
	struct rig *r = *state;
	char script[256];
	struct reply reply;
	int fd;

	snprintf(script, sizeof(script), "trap 'touch %s; exit' HUP; touch %s; "
		 "while :; do sleep 0.1; done", rig_path(r, "hup2"),
		 rig_path(r, "ready2"));
	fd = rig_start_sh(r, script, AGENT_EXEC_STDIN);
	assert_true(rig_wait_file(rig_path(r, "ready2"), true));
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	reply_free(&reply);
	close(fd);
	assert_true(rig_wait_file(rig_path(r, "hup2"), true));
	rig_sh(r, "echo alive", &reply);
	assert_string_equal(buf_str(&reply.out), "alive\n");
	reply_free(&reply);
}

static void a_stream_that_ends_early_is_forgotten(void **state)
{
	struct reply reply;

	for (int i = 0; i < 300; i++) {
		int fd = rig_open(*state);

		if (i % 3 == 0)
			assert_int_equal(write(fd, "\1", 1), 1);
		close(fd);
	}
	rig_sh(*state, "echo fine", &reply);
	assert_string_equal(buf_str(&reply.out), "fine\n");
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_reaches_the_command_and_ends),
		cmocka_unit_test(without_input_it_is_dev_null),
		cmocka_unit_test(a_lot_of_input_arrives_whole),
		cmocka_unit_test(input_beyond_the_window_is_refused),
		cmocka_unit_test(a_signal_overtakes_input_that_nobody_reads),
		cmocka_unit_test(input_for_a_command_that_closed_it_is_dropped),
		cmocka_unit_test(signals_reach_the_whole_group),
		cmocka_unit_test(a_lot_of_output_comes_whole),
		cmocka_unit_test(endless_output_is_held_back_and_ends_with_the_stream),
		cmocka_unit_test(children_in_the_background_do_not_hold_the_exit_back),
		cmocka_unit_test(children_in_the_background_live_on_and_may_write),
		cmocka_unit_test(a_background_flood_does_not_hold_the_exit_back),
		cmocka_unit_test(a_lost_stream_hangs_the_command_up),
		cmocka_unit_test(a_command_that_ignores_the_hangup_is_killed),
		cmocka_unit_test(unknown_frames_are_refused),
		cmocka_unit_test(malformed_frames_are_refused),
		cmocka_unit_test(a_malformed_frame_hangs_its_command_up),
		cmocka_unit_test(a_stream_that_ends_early_is_forgotten),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
