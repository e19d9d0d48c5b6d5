/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-exec.c - commands: programs, environment, users, ends */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/unit.h"

/* EXEC with these arguments (NULL at the end) and one more value. */
static void exec_with(struct rig *r, const char *const *args, uint16_t tag,
		      const char *value, struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	for (; *args; args++)
		tlv_put_str(&b, AGENT_T_ARG, *args);
	if (tag != AGENT_T_USER)
		tlv_put_str(&b, AGENT_T_USER, "me");
	if (value)
		tlv_put_str(&b, tag, value);
	rig_ask(r, AGENT_EXEC, &b, reply);
}

static void output_and_status_come_back(void **state)
{
	struct reply reply;

	rig_sh(*state, "echo out; echo err >&2; exit 7", &reply);
	assert_int_equal(reply.type, AGENT_EXIT);
	assert_int_equal(reply.status, 7);
	assert_int_equal(reply.signaled, 0);
	assert_string_equal(buf_str(&reply.out), "out\n");
	assert_string_equal(buf_str(&reply.err), "err\n");
	assert_true(reply.pid > 1);
	assert_true(reply.session > 0);
	reply_free(&reply);
}

static void a_fatal_signal_is_told(void **state)
{
	struct reply reply;

	rig_sh(*state, "kill -SEGV $$", &reply);
	assert_int_equal(reply.signaled, SIGSEGV);
	assert_int_equal(reply.status, 128 + SIGSEGV);
	reply_free(&reply);
}

static void a_missing_program_is_127(void **state)
{
	const char *const bare[] = { "no-such-program", NULL };
	const char *const path[] = { "/no/such/program", NULL };
	const char *const empty[] = { "", NULL };
	const char *const *const all[] = { bare, path, empty };
	struct reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		exec_with(*state, all[i], 0, NULL, &reply);
		assert_int_equal(reply.type, AGENT_EXIT);
		assert_int_equal(reply.status, 127);
		assert_int_equal(reply.why & AGENT_WHY_NOT_FOUND,
				 AGENT_WHY_NOT_FOUND);
		assert_true(reply.message[0] != '\0');
		reply_free(&reply);
	}
}

static void what_is_no_program_is_126(void **state)
{
	struct rig *r = *state;
	char plain[128], lost[128];
	const char *const folder[] = { "/etc", NULL };
	const char *const denied[] = { plain, NULL };
	const char *const orphan[] = { lost, NULL };
	const char *const *const all[] = { folder, denied, orphan };
	struct reply reply;

	snprintf(plain, sizeof(plain), "%s", rig_path(r, "plain"));
	snprintf(lost, sizeof(lost), "%s", rig_path(r, "lost"));
	rig_host("echo x >%s; echo '#!/no/such/sh' >%s; chmod +x %s", plain,
		 lost, lost);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		exec_with(r, all[i], 0, NULL, &reply);
		assert_int_equal(reply.status, 126);
		assert_int_equal(reply.why & AGENT_WHY_NOT_EXECUTABLE,
				 AGENT_WHY_NOT_EXECUTABLE);
		reply_free(&reply);
	}
}

static void a_script_without_interpreter_line_is_126(void **state)
{
	struct rig *r = *state;
	char path[128];
	const char *const args[] = { path, NULL };
	struct reply reply;

	snprintf(path, sizeof(path), "%s", rig_path(r, "script"));
	rig_host("echo 'echo hello' >%s; chmod +x %s", path, path);
	exec_with(r, args, 0, NULL, &reply);
	assert_int_equal(reply.status, 126);
	assert_non_null(strstr(reply.message, "Exec format error"));
	reply_free(&reply);
}

static void the_path_of_the_environment_is_searched(void **state)
{
	struct rig *r = *state;
	const char *const args[] = { "mytool", NULL };
	struct reply reply;
	char path[256];

	rig_host("mkdir -p %s/a/mytool %s/b; printf '#!/bin/sh\\necho found' "
		 ">%s/b/mytool; chmod +x %s/b/mytool", r->dir, r->dir, r->dir,
		 r->dir);
	snprintf(path, sizeof(path), "PATH=%s/a:/no/where:%s/b", r->dir, r->dir);
	exec_with(r, args, AGENT_T_ENV, path, &reply);
	assert_int_equal(reply.status, 0);
	assert_string_equal(buf_str(&reply.out), "found\n");
	reply_free(&reply);
}

static void the_base_environment_is_there(void **state)
{
	const char *const args[] = { "/usr/bin/env", NULL };
	struct reply reply;
	const char *out;

	exec_with(*state, args, AGENT_T_ENV, "TERM=vt52", &reply);
	out = buf_str(&reply.out);
	assert_non_null(strstr(out, "PATH=/usr/local/sbin:"));
	assert_non_null(strstr(out, "HOME=/\n"));
	assert_non_null(strstr(out, "USER="));
	assert_non_null(strstr(out, "LOGNAME="));
	assert_non_null(strstr(out, "SHELL=/bin/"));
	assert_non_null(strstr(out, "LANG=C.UTF-8"));
	assert_non_null(strstr(out, "TERM=vt52\n"));
	assert_null(strstr(out, "TERM=dumb"));
	reply_free(&reply);
}

static void the_last_value_of_a_variable_counts(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct reply reply;

	rig_script(&b, "echo $A-$B");
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_str(&b, AGENT_T_ENV, "A=1");
	tlv_put_str(&b, AGENT_T_ENV, "B=x=y z");
	tlv_put_str(&b, AGENT_T_ENV, "A=2");
	rig_ask(*state, AGENT_EXEC, &b, &reply);
	assert_string_equal(buf_str(&reply.out), "2-x=y z\n");
	reply_free(&reply);
}

static void the_folder_is_the_one_asked_for(void **state)
{
	const char *const args[] = { "/bin/pwd", NULL };
	struct reply reply;

	exec_with(*state, args, AGENT_T_CWD, "/usr/lib", &reply);
	assert_string_equal(buf_str(&reply.out), "/usr/lib\n");
	reply_free(&reply);
	exec_with(*state, args, 0, NULL, &reply);
	assert_string_equal(buf_str(&reply.out), "/\n");
	reply_free(&reply);
}

static void a_missing_folder_is_an_error(void **state)
{
	const char *const args[] = { "/bin/true", NULL };
	struct reply reply;

	exec_with(*state, args, AGENT_T_CWD, "/no/such/folder", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_NOT_FOUND);
	assert_non_null(strstr(reply.message, "/no/such/folder"));
	reply_free(&reply);
}

static void an_unknown_user_is_an_error(void **state)
{
	const char *const args[] = { "/bin/true", NULL };
	const char *const users[] = { "nobody-here", "1x", "root:nogroup", "-1",
				      "4294967295" };
	struct reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		exec_with(*state, args, AGENT_T_USER, users[i], &reply);
		assert_int_equal(reply.type, AGENT_ERROR);
		assert_int_equal(reply.code, ERR_NOT_FOUND);
		reply_free(&reply);
	}
}

static void users_have_their_ids_groups_and_home(void **state)
{
	static const struct {
		const char *user, *out;
	} cases[] = {
		{ "dev", "1234 1235 1235 2000 2002 dev" },
		{ "1234", "1234 1235 1235 2000 2002 dev" },
		{ "dev:lab", "1234 2000 2000 dev" },
		{ "1234:77", "1234 77 77 dev" },
		{ "4321", "4321 0 0 4321" },
		{ "root", "0 0 0 root" },
	};
	const char *const args[] = { "/bin/sh", "-c", "echo $(id -u) $(id -g) "
				     "$(id -G) $USER; pwd", NULL };
	struct rig *r = *state;
	struct reply reply;

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char want[256];

		snprintf(want, sizeof(want), "%s\n%s\n", cases[i].out,
			 i < 4 ? r->dir : i == 4 ? "/" : "/root");
		exec_with(r, args, AGENT_T_USER, cases[i].user, &reply);
		assert_string_equal(buf_str(&reply.out), want);
		reply_free(&reply);
	}
}

static void without_arguments_it_is_the_login_shell(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	int fd = rig_open(*state);

	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_u32(&b, AGENT_T_FLAGS, AGENT_EXEC_STDIN);
	rig_send(fd, AGENT_EXEC, b.data, b.len);
	rig_send(fd, AGENT_STDIN, "echo $0\n", 8);
	rig_send(fd, AGENT_STDIN_EOF, NULL, 0);
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "-sh\n");
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void commands_start_clean(void **state)
{
	struct reply reply;

	rig_sh(*state, "ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' "
	       "/proc/self/status; umask; ps -o sid= -p $$ | tr -d ' '; echo $$",
	       &reply);
	/* 0, 1, 2 and the one that ls itself opens */
	assert_memory_equal(buf_str(&reply.out), "4\n", 2);
	assert_non_null(strstr(buf_str(&reply.out), "SigBlk:\t0000000000000000"));
	/* make leaves the C library's own two, 32 and 33, ignored in tests */
	assert_true(strstr(buf_str(&reply.out), "SigIgn:\t0000000000000000") ||
		    strstr(buf_str(&reply.out), "SigIgn:\t0000000180000000"));
	assert_non_null(strstr(buf_str(&reply.out), "0022"));
	reply_free(&reply);
}

static void a_timeout_ends_the_whole_session(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct rig *r = *state;
	struct reply reply;
	uint64_t start = rig_now_ms();
	char script[256];

	snprintf(script, sizeof(script), "trap '' TERM; (while :; do sleep 0.1; "
		 "echo x >>%s; done) & while :; do sleep 0.1; done",
		 rig_path(r, "ticks"));
	rig_script(&b, script);
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_u32(&b, AGENT_T_TIMEOUT, 300);
	rig_ask(r, AGENT_EXEC, &b, &reply);
	assert_int_equal(reply.why & AGENT_WHY_TIMEOUT, AGENT_WHY_TIMEOUT);
	assert_int_equal(reply.signaled, SIGKILL);
	assert_in_range(rig_now_ms() - start, 2000, 10000);
	reply_free(&reply);
	unlink(rig_path(r, "ticks"));
	usleep(400000);
	if (r->cgroup[0])
		assert_int_equal(access(rig_path(r, "ticks"), F_OK), -1);
}

static void a_command_within_its_time_is_not_disturbed(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct reply reply;

	rig_script(&b, "sleep 0.1; exit 3");
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_u32(&b, AGENT_T_TIMEOUT, 5000);
	rig_ask(*state, AGENT_EXEC, &b, &reply);
	assert_int_equal(reply.status, 3);
	assert_int_equal(reply.why & AGENT_WHY_TIMEOUT, 0);
	reply_free(&reply);
}

static void many_commands_in_a_row_lose_nothing(void **state)
{
	struct reply reply;
	char script[64], want[32];

	for (int i = 0; i < 200; i++) {
		snprintf(script, sizeof(script), "echo run %d; exit %d", i, i % 256);
		snprintf(want, sizeof(want), "run %d\n", i);
		rig_sh(*state, script, &reply);
		assert_int_equal(reply.status, i % 256);
		assert_string_equal(buf_str(&reply.out), want);
		reply_free(&reply);
	}
}

static void many_commands_at_once_are_kept_apart(void **state)
{
	struct reply reply;
	int fds[40];
	char script[64], want[32];

	for (int i = 0; i < 40; i++) {
		snprintf(script, sizeof(script), "sleep 0.2; echo %d", i);
		fds[i] = rig_start_sh(*state, script, 0);
	}
	for (int i = 0; i < 40; i++) {
		snprintf(want, sizeof(want), "%d\n", i);
		rig_collect(fds[i], NULL, &reply);
		assert_string_equal(buf_str(&reply.out), want);
		reply_free(&reply);
		close(fds[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_status_come_back),
		cmocka_unit_test(a_fatal_signal_is_told),
		cmocka_unit_test(a_missing_program_is_127),
		cmocka_unit_test(what_is_no_program_is_126),
		cmocka_unit_test(a_script_without_interpreter_line_is_126),
		cmocka_unit_test(the_path_of_the_environment_is_searched),
		cmocka_unit_test(the_base_environment_is_there),
		cmocka_unit_test(the_last_value_of_a_variable_counts),
		cmocka_unit_test(the_folder_is_the_one_asked_for),
		cmocka_unit_test(a_missing_folder_is_an_error),
		cmocka_unit_test(an_unknown_user_is_an_error),
		cmocka_unit_test(users_have_their_ids_groups_and_home),
		cmocka_unit_test(without_arguments_it_is_the_login_shell),
		cmocka_unit_test(commands_start_clean),
		cmocka_unit_test(a_timeout_ends_the_whole_session),
		cmocka_unit_test(a_command_within_its_time_is_not_disturbed),
		cmocka_unit_test(many_commands_in_a_row_lose_nothing),
		cmocka_unit_test(many_commands_at_once_are_kept_apart),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
