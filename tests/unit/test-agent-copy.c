/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-copy.c - what the agent does in a copy of its guest */
#include <stdio.h>
#include <unistd.h>

#include "common/err.h"
#include "guest-init/identity.h"
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

static void freeze(struct rig *r, int *fd)
{
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	struct tlv t;
	size_t pos = 0;

	*fd = rig_open(r);
	rig_send(*fd, AGENT_FREEZE, NULL, 0);
	rig_collect(*fd, &in, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	assert_int_equal(tlv_next(reply.values.data, reply.values.len, &pos, &t),
			 1);
	assert_int_equal(t.tag, AGENT_T_FROZEN);
	assert_int_equal(tlv_u32(&t), 1);
	reply_free(&reply);
	frame_reader_free(&in);
}

/* FREEZE, and its stream is reset. */
static void freeze_and_reset(struct rig *r)
{
	int fd = rig_open(r);

	rig_send(fd, AGENT_FREEZE, NULL, 0);
	rig_reset(fd);
}

static uint8_t hello(struct rig *r, uint32_t copy, uint32_t frozen)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint8_t entropy[64] = { 1 };
	struct reply reply;

	tlv_put_u32(&b, AGENT_T_PROTOCOL, AGENT_PROTOCOL);
	tlv_put(&b, AGENT_T_ENTROPY, entropy, sizeof(entropy));
	tlv_put_u32(&b, AGENT_T_COPY, copy);
	tlv_put_u32(&b, AGENT_T_FROZEN, frozen);
	rig_ask(r, AGENT_HELLO, &b, &reply);
	reply_free(&reply);
	return reply.type;
}

/* A command that makes "count" longer all the time. Return: its stream. */
static int start_counting(struct rig *r)
{
	char script[512];
	int fd;

	snprintf(script, sizeof(script), "while :; do echo >>%s; sleep 0.01; "
		 "done", rig_path(r, "count"));
	fd = rig_start_sh(r, script, 0);
	assert_true(rig_wait_file(rig_path(r, "count"), true));
	return fd;
}

static bool is_counting(struct rig *r)
{
	return rig_host("a=$(wc -c <%s); for i in $(seq 20); do sleep 0.02; "
			"[ $(wc -c <%s) = $a ] || exit 0; done; exit 1",
			rig_path(r, "count"), rig_path(r, "count")) == 0;
}

static void need_cgroups(const struct rig *r)
{
	if (!r->cgroup[0])
		skip();
}

static void commands_stand_still_while_the_stream_lasts(void **state)
{
	struct rig *r = *state;
	struct reply reply;
	int counter, fd, late;

	need_cgroups(r);
	counter = start_counting(r);
	assert_true(is_counting(r));
	freeze(r, &fd);
	assert_false(is_counting(r));
	/* what comes now waits, and files can be had */
	late = rig_start_sh(r, "echo late", 0);
	rig_ask(r, AGENT_INFO, NULL, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	reply_free(&reply);
	close(fd);
	assert_true(is_counting(r));
	rig_collect(late, NULL, &reply);
	assert_string_equal(buf_str(&reply.out), "late\n");
	reply_free(&reply);
	close(late);
	rig_hang_up(counter);
	close(counter);
}

static void two_streams_hold_until_the_last_has_ended(void **state)
{
	struct rig *r = *state;
	int counter, a, b;

	need_cgroups(r);
	counter = start_counting(r);
	freeze(r, &a);
	freeze(r, &b);
	close(a);
	assert_false(is_counting(r));
	close(b);
	assert_true(is_counting(r));
	rig_hang_up(counter);
	close(counter);
}

static void a_copy_stands_still_until_it_was_greeted(void **state)
{
	struct rig *r = *state;
	uint32_t before = r->seen->renewals;
	struct reply reply;
	int counter;

	need_cgroups(r);
	counter = start_counting(r);
	freeze_and_reset(r);
	rig_reset(counter);
	usleep(100000);
	assert_false(is_counting(r));
	/* nor may anything else run before */
	rig_sh(r, "echo early", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_STATE);
	reply_free(&reply);
	assert_int_equal(hello(r, 1, 0), AGENT_OK);
	assert_int_equal(r->seen->renewals, before + 1);
	assert_true(is_counting(r));
	assert_true(wait_kept(r).session > 0);
	rig_host("pkill -f %s", rig_path(r, "count"));
}

static void a_copy_that_is_only_looked_at_stays_still(void **state)
{
	struct rig *r = *state;
	int counter;

	need_cgroups(r);
	counter = start_counting(r);
	freeze_and_reset(r);
	usleep(100000);
	assert_int_equal(hello(r, 1, 1), AGENT_OK);
	assert_false(is_counting(r));
	assert_int_equal(ask_newest(r).ended, false);
	assert_int_equal(hello(r, 0, 0), AGENT_OK);
	assert_true(is_counting(r));
	rig_hang_up(counter);
	close(counter);
}

static void a_greeting_thaws_whatever_streams_there_are(void **state)
{
	struct rig *r = *state;
	int counter, fd;

	need_cgroups(r);
	counter = start_counting(r);
	freeze(r, &fd);
	assert_int_equal(hello(r, 1, 0), AGENT_OK);
	assert_true(is_counting(r));
	/* whose end, seen only now, changes nothing any more */
	close(fd);
	assert_true(is_counting(r));
	rig_hang_up(counter);
	close(counter);
}

static void frames_on_a_freeze_stream_end_it(void **state)
{
	/* both answers may come at once */
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	int fd = rig_open(*state);

	rig_send(fd, AGENT_FREEZE, NULL, 0);
	rig_send(fd, AGENT_STDIN, "x", 1);
	do {
		rig_collect(fd, &in, &reply);
		reply_free(&reply);
	} while (reply.type == AGENT_OK);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	frame_reader_free(&in);
	close(fd);
	rig_sh(*state, "echo on", &reply);
	assert_string_equal(buf_str(&reply.out), "on\n");
	reply_free(&reply);
}

static void read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");

	memset(text, 0, size);
	assert_non_null(f);
	assert_true(fread(text, 1, size - 1, f) > 0);
	fclose(f);
}

static void a_copy_gets_an_identity_of_its_own(void **state)
{
	static const char old[] = "0123456789abcdef0123456789abcdef\n";
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char etc[64], dbus[64], again[64];

	rig_host("cd %s && mkdir -p var/lib/dbus var/lib/systemd run && "
		 "printf %s >etc/machine-id && chmod 444 etc/machine-id && "
		 "printf %s >var/lib/dbus/machine-id && "
		 "echo seed >var/lib/systemd/random-seed && "
		 "ln -s ../etc/machine-id run/machine-id", r->dir,
		 "0123456789abcdef0123456789abcdef'\\n'",
		 "0123456789abcdef0123456789abcdef'\\n'");
	assert_int_equal(identity_renew(r->dir, &err), 0);
	read_text(rig_path(r, "etc/machine-id"), etc, sizeof(etc));
	read_text(rig_path(r, "var/lib/dbus/machine-id"), dbus, sizeof(dbus));
	assert_string_equal(etc, dbus);
	assert_string_not_equal(etc, old);
	assert_int_equal(strlen(etc), 33);
	assert_int_equal(strspn(etc, "0123456789abcdef"), 32);
	assert_int_equal(rig_host("cd %s && test -h run/machine-id && "
				  "test $(stat -c %%a etc/machine-id) = 444 && "
				  "test ! -e var/lib/systemd/random-seed && "
				  "test $(ls -A etc | grep -c machine) = 1",
				  r->dir), 0);
	assert_int_equal(identity_renew(r->dir, &err), 0);
	read_text(rig_path(r, "etc/machine-id"), again, sizeof(again));
	assert_string_not_equal(etc, again);
}

static void a_machine_id_that_is_yet_to_be_set_is_set(void **state)
{
	static const char *const kinds[] = { "printf ''", "echo uninitialized" };
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char id[64];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		rig_host("cd %s && mkdir -p etc && rm -f etc/machine-id && "
			 "%s >etc/machine-id", r->dir, kinds[i]);
		assert_int_equal(identity_renew(r->dir, &err), 0);
		read_text(rig_path(r, "etc/machine-id"), id, sizeof(id));
		assert_int_equal(strspn(id, "0123456789abcdef"), 32);
	}
}

static void what_is_no_machine_id_is_left_alone(void **state)
{
	static const char *const kinds[] = {
		"printf x", "echo uninitialised", "echo 0123456789abcdef",
	};
	struct rig *r = *state;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		rig_host("cd %s && rm -f etc/machine-id && %s >etc/machine-id && "
			 "cp etc/machine-id as-it-was", r->dir, kinds[i]);
		assert_int_equal(identity_renew(r->dir, &err), 0);
		assert_int_equal(rig_host("cd %s && cmp -s etc/machine-id "
					  "as-it-was", r->dir), 0);
	}
	/* nothing is waited for, nothing led astray */
	rig_host("cd %s && rm etc/machine-id && mkfifo etc/machine-id && "
		 "ln -sf as-it-was run/machine-id", r->dir);
	assert_int_equal(identity_renew(r->dir, &err), 0);
	rig_host("rm %s", rig_path(r, "etc/machine-id"));
	assert_int_equal(identity_renew(r->dir, &err), 0);
	assert_int_equal(rig_host("test -e %s", rig_path(r, "etc/machine-id")), 1);
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
		cmocka_unit_test(commands_stand_still_while_the_stream_lasts),
		cmocka_unit_test(two_streams_hold_until_the_last_has_ended),
		cmocka_unit_test(a_copy_stands_still_until_it_was_greeted),
		cmocka_unit_test(a_copy_that_is_only_looked_at_stays_still),
		cmocka_unit_test(a_greeting_thaws_whatever_streams_there_are),
		cmocka_unit_test(frames_on_a_freeze_stream_end_it),
		cmocka_unit_test(a_copy_gets_an_identity_of_its_own),
		cmocka_unit_test(a_machine_id_that_is_yet_to_be_set_is_set),
		cmocka_unit_test(what_is_no_machine_id_is_left_alone),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
