/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-tty.c - commands on a terminal, and kept sessions */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/unit.h"

#define TTY (AGENT_EXEC_TTY | AGENT_EXEC_STDIN)

/* Output until @text was seen in it. */
static void read_until(int fd, struct frame_reader *in, const char *text)
{
	CLEANUP_BUF struct buf all = BUF_INIT;
	struct frame f;

	while (!strstr(buf_str(&all), text)) {
		assert_true(rig_next(fd, in, &f));
		assert_int_not_equal(f.type, AGENT_EXIT);
		if (f.type == AGENT_STDOUT)
			buf_append(&all, f.data, f.len);
	}
}

static void type(int fd, const char *text)
{
	rig_send(fd, AGENT_STDIN, text, strlen(text));
}

static int attach(struct rig *r, uint32_t session)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int fd = rig_open(r);

	tlv_put_u32(&b, AGENT_T_SESSION, session);
	rig_send(fd, AGENT_ATTACH, b.data, b.len);
	return fd;
}

/* Start a kept session and leave it. Return: its id. */
static uint32_t leave_session(struct rig *r, const char *script, uint32_t flags)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(r, script, flags | AGENT_EXEC_KEEP);
	uint32_t session = 0;
	struct frame f;
	struct tlv t;
	size_t pos = 0;

	assert_true(rig_next(fd, &in, &f));
	assert_int_equal(f.type, AGENT_STARTED);
	while (tlv_next(f.data, f.len, &pos, &t) > 0)
		if (t.tag == AGENT_T_SESSION)
			session = tlv_u32(&t);
	frame_reader_free(&in);
	close(fd);
	return session;
}

static void a_terminal_is_a_terminal(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct reply reply;

	rig_script(&b, "tty; stty size; echo to-err >&2; test -t 0 && test -t 1 "
		   "&& echo $TERM; ps -o tpgid= -p $$ | tr -d ' '; echo $$");
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_u32(&b, AGENT_T_FLAGS, AGENT_EXEC_TTY);
	tlv_put_u32(&b, AGENT_T_ROWS, 33);
	tlv_put_u32(&b, AGENT_T_COLS, 101);
	rig_ask(*state, AGENT_EXEC, &b, &reply);
	assert_non_null(strstr(buf_str(&reply.out), "/dev/pts/"));
	assert_non_null(strstr(buf_str(&reply.out), "33 101\r\n"));
	assert_non_null(strstr(buf_str(&reply.out), "to-err\r\nxterm\r\n"));
	assert_int_equal(reply.err.len, 0);
	assert_int_equal(reply.status, 0);
	reply_free(&reply);
}

static void an_interrupt_typed_reaches_the_foreground(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "trap 'echo caught; exit 3' INT; echo up; "
			      "while :; do sleep 0.1; done", TTY);
	struct reply reply;

	read_until(fd, &in, "up");
	type(fd, "\x03");
	rig_collect(fd, &in, &reply);
	assert_non_null(strstr(buf_str(&reply.out), "caught"));
	assert_int_equal(reply.status, 3);
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void a_signal_goes_to_the_foreground_group(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "set -m; trap 'echo shell' USR1; sh -c "
			      "\"trap 'echo job; exit 6' USR1; echo up; "
			      "while :; do sleep 0.1; done\"; echo code $?", TTY);
	uint32_t sig = SIGUSR1;
	struct reply reply;

	read_until(fd, &in, "up");
	rig_send(fd, AGENT_SIGNAL, &sig, sizeof(sig));
	rig_collect(fd, &in, &reply);
	assert_non_null(strstr(buf_str(&reply.out), "job"));
	assert_non_null(strstr(buf_str(&reply.out), "code 6"));
	assert_null(strstr(buf_str(&reply.out), "shell"));
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void the_window_can_be_resized(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "trap 'stty size; exit' WINCH; echo up; "
			      "while :; do sleep 0.1; done", TTY);
	uint16_t size[2] = { 50, 132 };
	struct reply reply;

	read_until(fd, &in, "up");
	rig_send(fd, AGENT_WINSIZE, size, sizeof(size));
	rig_collect(fd, &in, &reply);
	assert_non_null(strstr(buf_str(&reply.out), "50 132"));
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void end_of_input_ends_a_reader_on_a_terminal(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_start_sh(*state, "stty -echo; echo up; cat; echo end", TTY);
	struct reply reply;

	read_until(fd, &in, "up");
	type(fd, "line\npart");
	rig_send(fd, AGENT_STDIN_EOF, NULL, 0);
	rig_collect(fd, &in, &reply);
	assert_non_null(strstr(buf_str(&reply.out), "line\r\npartend\r\n"));
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void the_last_output_on_a_terminal_is_not_lost(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct reply reply;

	rig_script(&b, "seq 1 2000");
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_u32(&b, AGENT_T_FLAGS, AGENT_EXEC_TTY);
	for (int i = 0; i < 20; i++) {
		rig_ask(*state, AGENT_EXEC, &b, &reply);
		assert_string_equal(buf_str(&reply.out) + reply.out.len - 6,
				    "2000\r\n");
		assert_int_equal(reply.out.len, 8893 + 2000);
		reply_free(&reply);
	}
}

static void a_lost_terminal_hangs_up(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	struct rig *r = *state;
	char script[256];
	int fd;

	snprintf(script, sizeof(script), "trap 'touch %s; exit' HUP; echo up; "
		 "while :; do sleep 0.1; done", rig_path(r, "ttyhup"));
	fd = rig_start_sh(r, script, TTY);
	read_until(fd, &in, "up");
	frame_reader_free(&in);
	close(fd);
	assert_true(rig_wait_file(rig_path(r, "ttyhup"), true));
}

static void a_kept_session_outlives_its_stream(void **state)
{
	struct rig *r = *state;
	char script[256];
	struct reply reply;
	uint32_t id;
	int fd;

	snprintf(script, sizeof(script), "echo before; while [ ! -e %s ]; do "
		 "sleep 0.05; done; echo after; exit 11", rig_path(r, "go"));
	id = leave_session(r, script, 0);
	usleep(200000);
	fd = attach(r, id);
	rig_host("touch %s", rig_path(r, "go"));
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.session, id);
	assert_string_equal(buf_str(&reply.out), "before\nafter\n");
	assert_int_equal(reply.status, 11);
	reply_free(&reply);
	close(fd);
}

static void an_ended_session_still_tells_its_output_and_status(void **state)
{
	struct rig *r = *state;
	uint32_t id = leave_session(r, "echo o; echo e >&2; exit 12", 0);
	struct reply reply;

	usleep(300000);
	for (int i = 0; i < 2; i++) {
		int fd = attach(r, id);

		rig_collect(fd, NULL, &reply);
		assert_string_equal(buf_str(&reply.out), "o\n");
		assert_string_equal(buf_str(&reply.err), "e\n");
		assert_int_equal(reply.status, 12);
		reply_free(&reply);
		close(fd);
	}
}

static void of_much_kept_output_the_end_is_there(void **state)
{
	struct rig *r = *state;
	uint32_t id = leave_session(r, "seq 1 1000000", 0);
	struct reply reply;
	int fd;

	usleep(1500000);
	fd = attach(r, id);
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.status, 0);
	assert_in_range(reply.out.len, AGENT_KEPT_OUTPUT - 4096,
			AGENT_KEPT_OUTPUT);
	assert_string_equal(buf_str(&reply.out) + reply.out.len - 15,
			    "999999\n1000000\n");
	reply_free(&reply);
	close(fd);
}

static void a_kept_session_takes_input_again(void **state)
{
	struct rig *r = *state;
	struct frame_reader in = { .buf = BUF_INIT };
	uint32_t id = leave_session(r, "read a; read b; echo $a$b", AGENT_EXEC_STDIN);
	struct reply reply;
	int fd = attach(r, id);

	type(fd, "x\n");
	usleep(100000);
	close(fd);
	usleep(100000);
	fd = attach(r, id);
	type(fd, "y\n");
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "xy\n");
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void a_second_client_takes_a_kept_session_over(void **state)
{
	struct rig *r = *state;
	uint32_t id = leave_session(r, "read a; echo $a", AGENT_EXEC_STDIN);
	int first = attach(r, id), second = attach(r, id);
	struct reply reply;

	rig_collect(first, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_CANCELLED);
	reply_free(&reply);
	type(second, "z\n");
	rig_collect(second, NULL, &reply);
	assert_string_equal(buf_str(&reply.out), "z\n");
	reply_free(&reply);
	close(first);
	close(second);
}

static void an_unknown_session_is_an_error(void **state)
{
	int fd = attach(*state, 123456);
	struct reply reply;

	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_NOT_FOUND);
	reply_free(&reply);
	close(fd);
}

/* The values of one session in a SESSIONS answer; -1: not listed. */
static int listed(struct rig *r, uint32_t id, bool *running, char *args)
{
	struct reply reply;
	uint32_t current = 0;
	struct tlv t;
	size_t pos = 0;
	int found = -1;

	rig_ask(r, AGENT_SESSIONS, NULL, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	args[0] = '\0';
	*running = true;
	while (tlv_next(reply.values.data, reply.values.len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_SESSION)
			current = tlv_u32(&t);
		if (current != id)
			continue;
		found = MAX(found, 0);
		if (t.tag == AGENT_T_ARG)
			strncat(strcat(args, "|"), (const char *)t.data, t.len);
		if (t.tag == AGENT_T_STATUS) {
			found = (int)tlv_u32(&t);
			*running = false;
		}
	}
	reply_free(&reply);
	return found;
}

static void sessions_are_listed(void **state)
{
	struct rig *r = *state;
	uint32_t ended = leave_session(r, "exit 13", 0);
	uint32_t alive = leave_session(r, "sleep 30", 0);
	char args[256];
	bool running;

	usleep(300000);
	assert_int_equal(listed(r, ended, &running, args), 13);
	assert_false(running);
	assert_string_equal(args, "|/bin/sh|-c|exit 13");
	assert_int_equal(listed(r, alive, &running, args), 0);
	assert_true(running);
	assert_int_equal(listed(r, 99999, &running, args), -1);
}

static void of_many_ended_sessions_the_newest_are_kept(void **state)
{
	struct rig *r = *state;
	uint32_t first = leave_session(r, "exit 1", 0), last = 0;
	char args[256];
	bool running;

	for (int i = 0; i < 70; i++)
		last = leave_session(r, "exit 2", 0);
	usleep(500000);
	assert_int_equal(listed(r, first, &running, args), -1);
	assert_int_equal(listed(r, last, &running, args), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_is_a_terminal),
		cmocka_unit_test(an_interrupt_typed_reaches_the_foreground),
		cmocka_unit_test(a_signal_goes_to_the_foreground_group),
		cmocka_unit_test(the_window_can_be_resized),
		cmocka_unit_test(end_of_input_ends_a_reader_on_a_terminal),
		cmocka_unit_test(the_last_output_on_a_terminal_is_not_lost),
		cmocka_unit_test(a_lost_terminal_hangs_up),
		cmocka_unit_test(a_kept_session_outlives_its_stream),
		cmocka_unit_test(an_ended_session_still_tells_its_output_and_status),
		cmocka_unit_test(of_much_kept_output_the_end_is_there),
		cmocka_unit_test(a_kept_session_takes_input_again),
		cmocka_unit_test(a_second_client_takes_a_kept_session_over),
		cmocka_unit_test(an_unknown_session_is_an_error),
		cmocka_unit_test(sessions_are_listed),
		cmocka_unit_test(of_many_ended_sessions_the_newest_are_kept),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
