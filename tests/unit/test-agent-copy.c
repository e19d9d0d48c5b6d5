/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-copy.c - what the agent does in a copy of its guest */
#include <stdio.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/unit.h"

/* What SESSIONS says about the newest one. */
struct newest {
	uint32_t session, flags;
	bool ended;
};

static struct newest ask_newest(struct rig *r)
{
	struct newest n = { 0 };
	struct reply reply;
	struct tlv t;
	size_t pos = 0;

	rig_ask(r, AGENT_SESSIONS, NULL, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	while (tlv_next(reply.values.data, reply.values.len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_SESSION)
			n = (struct newest){ .session = tlv_u32(&t) };
		if (t.tag == AGENT_T_FLAGS)
			n.flags = tlv_u32(&t);
		if (t.tag == AGENT_T_STATUS)
			n.ended = true;
	}
	reply_free(&reply);
	return n;
}

/* Until the newest session was noticed to be without its client. */
static struct newest wait_kept(struct rig *r)
{
	struct newest n;

	for (int i = 0; i < 1000; i++) {
		n = ask_newest(r);
		if (n.flags & AGENT_EXEC_KEEP)
			break;
		usleep(10000);
	}
	assert_true(n.flags & AGENT_EXEC_KEEP);
	return n;
}

static struct newest wait_ended(struct rig *r)
{
	struct newest n;

	for (int i = 0; i < 1000; i++) {
		n = ask_newest(r);
		if (n.ended)
			break;
		usleep(10000);
	}
	assert_true(n.ended);
	return n;
}

static int attach(struct rig *r, uint32_t session)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int fd = rig_open(r);

	tlv_put_u32(&b, AGENT_T_SESSION, session);
	rig_send(fd, AGENT_ATTACH, b.data, b.len);
	return fd;
}

static void a_command_lives_on_when_the_transport_was_reset(void **state)
{
	struct frame_reader in = { .buf = BUF_INIT };
	struct rig *r = *state;
	struct newest n;
	struct reply reply;
	char script[512];
	int fd;

	snprintf(script, sizeof(script), "trap 'echo hung up' HUP; "
		 "until [ -e %s ]; do sleep 0.02; done; echo later; "
		 "read x; echo got $x; exit 3", rig_path(r, "go"));
	rig_reset(rig_start_sh(r, script, AGENT_EXEC_STDIN));
	n = wait_kept(r);
	assert_false(n.ended);
	rig_host("touch %s", rig_path(r, "go"));
	fd = attach(r, n.session);
	rig_send(fd, AGENT_STDIN, "input\n", 6);
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.type, AGENT_EXIT);
	assert_int_equal(reply.status, 3);
	assert_string_equal(buf_str(&reply.out), "later\ngot input\n");
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void its_output_and_exit_code_wait_for_a_client(void **state)
{
	struct rig *r = *state;
	struct newest n;
	struct reply reply;
	char script[512];
	int fd;

	snprintf(script, sizeof(script), "until [ -e %s ]; do sleep 0.02; done; "
		 "echo one; echo two >&2; exit 5", rig_path(r, "go2"));
	rig_reset(rig_start_sh(r, script, 0));
	wait_kept(r);
	rig_host("touch %s", rig_path(r, "go2"));
	n = wait_ended(r);
	for (int i = 0; i < 2; i++) {
		fd = attach(r, n.session);
		rig_collect(fd, NULL, &reply);
		assert_int_equal(reply.status, 5);
		assert_string_equal(buf_str(&reply.out), "one\n");
		assert_string_equal(buf_str(&reply.err), "two\n");
		reply_free(&reply);
		close(fd);
	}
}

static void endless_output_goes_on_after_a_reset(void **state)
{
	struct rig *r = *state;
	struct newest n;
	struct reply reply;
	int fd = rig_start_sh(r, "head -c 3000000 /dev/zero; exit 6", 0);

	usleep(200000);	/* held back by now: the buffers are full */
	rig_reset(fd);
	n = wait_ended(r);
	fd = attach(r, n.session);
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.status, 6);
	assert_in_range(reply.out.len, AGENT_KEPT_OUTPUT / 2, AGENT_KEPT_OUTPUT);
	reply_free(&reply);
	close(fd);
}

static void a_time_out_still_counts(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct rig *r = *state;
	int fd = rig_open(r);
	struct newest n;
	struct reply reply;

	rig_script(&b, "sleep 60");
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_u32(&b, AGENT_T_TIMEOUT, 500);
	rig_send(fd, AGENT_EXEC, b.data, b.len);
	rig_reset(fd);
	n = wait_kept(r);
	fd = attach(r, n.session);
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.why, AGENT_WHY_TIMEOUT);
	reply_free(&reply);
	close(fd);
}

static void a_terminal_stays_when_the_transport_was_reset(void **state)
{
	struct rig *r = *state;
	struct newest n;
	struct reply reply;
	int fd = rig_start_sh(r, "stty -echo; echo up; read x; echo $x; tty",
			      AGENT_EXEC_TTY | AGENT_EXEC_STDIN);

	rig_reset(fd);
	n = wait_kept(r);
	fd = attach(r, n.session);
	rig_send(fd, AGENT_STDIN, "typed\n", 6);
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.status, 0);
	assert_non_null(strstr(buf_str(&reply.out), "typed\r\n/dev/pts/"));
	reply_free(&reply);
	close(fd);
}

static void the_next_client_may_leave_it_as_a_kept_one(void **state)
{
	struct rig *r = *state;
	struct newest n;
	int fd = rig_start_sh(r, "sleep 60", 0);

	rig_reset(fd);
	n = wait_kept(r);
	fd = attach(r, n.session);
	rig_hang_up(fd);
	usleep(100000);
	close(fd);
	assert_int_equal(ask_newest(r).session, n.session);
	assert_false(ask_newest(r).ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_lives_on_when_the_transport_was_reset),
		cmocka_unit_test(its_output_and_exit_code_wait_for_a_client),
		cmocka_unit_test(endless_output_goes_on_after_a_reset),
		cmocka_unit_test(a_time_out_still_counts),
		cmocka_unit_test(a_terminal_stays_when_the_transport_was_reset),
		cmocka_unit_test(the_next_client_may_leave_it_as_a_kept_one),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
