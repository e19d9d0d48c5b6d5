/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner.c - podflared with fake VMMs: the sandboxes' life
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/frame.h"
#include "common/tlv.h"
#include "common/jsonrpc.h"
#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

static json_t *named(const char *name)
{
	return json_pack("{s:s}", "name", name);
}

static void create(const char *name)
{
	call_ok("sandbox.create", named(name));
}

static void test_create_shows_what_it_made(void **state)
{
	struct conn c;
	json_t *sb;

	conn_open(&c, false);
	sb = conn_ok(&c, "sandbox.create",
		     json_pack("{s:s, s:i, s:I, s:I, s:{s:s}, s:{s:s}}", "name",
			       "one", "cpus", 2, "memory", MIB_(257), "disk",
			       MIB_(100), "env", "A", "b", "labels", "l", "m"));
	assert_true(c.progress >= 3);
	assert_string_equal(json_string_value(json_object_get(sb, "state")),
			    "running");
	assert_int_equal(json_integer_value(json_object_get(sb, "memory")),
			 MIB_(258));
	assert_int_equal(json_integer_value(json_object_get(sb, "cpus")), 2);
	assert_true(json_array_size(json_object_get(
		json_object_get(sb, "origin"), "steps")) == 4);
	json_decref(sb);
	conn_close(&c);
	assert_true(sandbox_is("one", "running"));
	call_ok("sandbox.rm", by_name("one"));
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	assert_int_equal(host_count("runtime/podflare/vm"), 0);
	assert_int_equal(host_vmms(), 0);
}

static void test_names(void **state)
{
	struct conn c;
	json_t *sb, *again;
	char prefix[5] = "";
	const char *id;

	call_fail("sandbox.create", named(""), "usage");
	call_fail("sandbox.create", named("../x"), "usage");
	call_fail("sandbox.create", named("Upper"), "usage");
	call_fail("sandbox.create", named("-x"), "usage");
	create("x.y_z-1");
	call_fail("sandbox.create", named("x.y_z-1"), "exists");
	call_fail("sandbox.show", by_name("nosuch"), "not_found");
	conn_open(&c, false);
	sb = conn_ok(&c, "sandbox.show", by_name("x.y_z-1"));
	id = json_string_value(json_object_get(sb, "id"));
	memcpy(prefix, id, 4);
	again = conn_ok(&c, "sandbox.show", by_name(prefix));
	assert_string_equal(id, json_string_value(json_object_get(again,
								  "id")));
	json_decref(again);
	prefix[3] = '\0';
	call_fail("sandbox.show", by_name(prefix), "not_found");
	json_decref(sb);
	sb = conn_ok(&c, "sandbox.create", NULL);	/* a name is made up */
	call_ok("sandbox.rm", by_name(json_string_value(
				      json_object_get(sb, "name"))));
	json_decref(sb);
	conn_close(&c);
	call_ok("sandbox.rm", by_name("x.y_z-1"));
	call_fail("sandbox.rm", by_name("x.y_z-1"), "not_found");
}

/* Read frames until EXIT. Return: the exit code; STDOUT is in @out. */
static int read_exec(int fd, struct buf *out)
{
	struct frame_reader in = { .consumed = 0 };
	struct frame f;
	struct tlv t;
	size_t pos = 0;
	int code = -1;

	while (frame_read(&in, fd, &f) > 0) {
		if (f.type == AGENT_STDOUT)
			buf_append(out, f.data, f.len);
		if (f.type == AGENT_EXIT && tlv_next(f.data, f.len, &pos, &t))
			code = (int)tlv_u32(&t);
	}
	frame_reader_free(&in);
	return code;
}

static void test_exec_merges_environments(void **state)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct conn c;

	call_ok("sandbox.create", json_pack("{s:s, s:{s:s, s:s}}", "name", "e",
					    "env", "BOTH", "sandbox", "MINE",
					    "sandbox"));
	conn_open(&c, false);
	json_decref(conn_ok(&c, "exec.start",
			    json_pack("{s:s, s:[s, s], s:{s:s}, s:b}",
				      "sandbox", "e", "cmd", "prog", "arg",
				      "env", "MINE", "call", "tty", 1)));
	assert_int_equal(read_exec(c.passed, &out), 7);
	assert_non_null(strstr(buf_str(&out), "16=prog\n16=arg\n"));
	assert_non_null(strstr(buf_str(&out), "17=FROM=image\n"));
	assert_non_null(strstr(buf_str(&out), "17=BOTH=sandbox\n"));
	assert_non_null(strstr(buf_str(&out), "17=MINE=call\n"));
	assert_null(strstr(buf_str(&out), "BOTH=image"));
	assert_null(strstr(buf_str(&out), "MINE=sandbox"));
	assert_non_null(strstr(buf_str(&out), "18=/root\n"));
	assert_non_null(strstr(buf_str(&out), "19=root\n"));
	assert_non_null(strstr(buf_str(&out), "flags=1\n"));
	conn_close(&c);
	call_ok("sandbox.rm", by_name("e"));
}

static void test_exec_request_larger_than_the_socket_buffer(void **state)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char *big = calloc(1, 3001);
	json_t *cmd = json_array();
	struct conn c;

	memset(big, 'x', 3000);
	for (int i = 0; i < 300; i++)
		json_array_append_new(cmd, json_string(big));
	create("big");
	conn_open(&c, false);
	json_decref(conn_ok(&c, "exec.start", json_pack("{s:s, s:O}", "sandbox",
							"big", "cmd", cmd)));
	assert_int_equal(read_exec(c.passed, &out), 7);
	assert_true(out.len > 900000);
	conn_close(&c);
	for (int i = 0; i < 300; i++)
		json_array_append_new(cmd, json_string("y"));
	json_array_extend(cmd, cmd);
	json_decref(cmd);
	free(big);
	call_ok("sandbox.rm", by_name("big"));
}

static void test_pause_and_resume(void **state)
{
	create("p");
	call_fail("sandbox.resume", by_name("p"), "state");
	call_ok("sandbox.pause", by_name("p"));
	assert_true(sandbox_is("p", "paused"));
	call_fail("sandbox.pause", by_name("p"), "state");
	call_fail("exec.list", by_name("p"), "state");
	call_ok("sandbox.show", by_name("p"));
	call_ok("sandbox.resume", by_name("p"));
	call_ok("exec.list", by_name("p"));
	call_ok("sandbox.pause", by_name("p"));
	call_ok("sandbox.rm", by_name("p"));
}

static bool is_stopped(void *name)
{
	return sandbox_is(name, "stopped");
}

static bool is_failed(void *name)
{
	return sandbox_is(name, "failed");
}

static void test_shutdown_stops_and_next_use_starts(void **state)
{
	create("s1");
	create("s2");
	call_ok("sandbox.pause", by_name("s2"));
	call_ok("runner.shutdown", NULL);
	host_end(0);
	assert_int_equal(host_vmms(), 0);
	assert_null(host_start());
	assert_true(sandbox_is("s1", "stopped"));
	assert_true(sandbox_is("s2", "stopped"));
	call_ok("exec.list", by_name("s2"));
	assert_true(sandbox_is("s2", "running"));
	assert_true(sandbox_is("s1", "stopped"));
	call_ok("sandbox.rm", by_name("s1"));
	call_ok("sandbox.rm", by_name("s2"));
}

static void test_vmm_killed(void **state)
{
	struct conn c;

	create("k1");
	create("k2");
	conn_open(&c, false);
	json_decref(conn_ok(&c, "exec.start",
			    json_pack("{s:s, s:[s], s:b}", "sandbox", "k1",
				      "cmd", "cat", "stdin", 1)));
	kill(atoi(sandbox_text("k1", "pid")), SIGKILL);
	host_wait(is_failed, "k1");
	assert_non_null(strstr(sandbox_text("k1", "reason"), "killed"));
	assert_true(sandbox_is("k2", "running"));
	call_fail("exec.list", by_name("k1"), "state");
	call_ok("exec.list", by_name("k2"));
	call_ok("sandbox.logs", by_name("k1"));
	conn_close(&c);
	call_ok("sandbox.rm", by_name("k1"));
	call_ok("sandbox.rm", by_name("k2"));
}

static void test_runner_killed(void **state)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct conn c;
	char pid[32];
	int fd;

	create("a");
	create("b");
	create("gone");
	call_ok("sandbox.pause", by_name("b"));
	conn_open(&c, false);
	json_decref(conn_ok(&c, "exec.start",
			    json_pack("{s:s, s:[s], s:b}", "sandbox", "a",
				      "cmd", "cat", "stdin", 1)));
	fd = dup(c.passed);
	conn_close(&c);
	snprintf(pid, sizeof(pid), "%s", sandbox_text("a", "pid"));
	kill(atoi(sandbox_text("gone", "pid")), SIGSTOP);
	fd = fd < 0 ? -1 : fd;
	host_end(SIGKILL);
	assert_int_equal(host_vmms(), 3);
	assert_null(host_start());
	assert_true(sandbox_is("a", "running"));
	assert_string_equal(sandbox_text("a", "pid"), pid);
	for (int i = 0; i < 100 && !sandbox_is("b", "paused"); i++)
		poll(NULL, 0, 10);
	assert_true(sandbox_is("b", "paused"));
	/* the command lived through it */
	frame_write(fd, AGENT_STDIN, "hello", 5);
	frame_write(fd, AGENT_STDIN_EOF, NULL, 0);
	assert_int_equal(read_exec(fd, &out), 0);
	assert_string_equal(buf_str(&out), "hello");
	close(fd);
	call_ok("exec.list", by_name("a"));
	host_end(SIGKILL);
	kill(atoi(pid), SIGKILL);
	assert_null(host_start());
	host_wait(is_failed, "a");
	assert_non_null(strstr(sandbox_text("a", "reason"), "killed"));
	call_ok("sandbox.rm", by_name("a"));
	call_ok("sandbox.rm", by_name("b"));
	call_ok("sandbox.rm", by_name("gone"));
}

static void test_power_off_is_stopped(void **state)
{
	struct conn c;

	create("off");
	kill(atoi(sandbox_text("off", "pid")), SIGTERM);
	host_wait(is_stopped, "off");
	conn_open(&c, false);
	json_decref(conn_ok(&c, "files.stat",
			    json_pack("{s:s, s:s}", "sandbox", "off", "path",
				      "/x")));
	assert_true(sandbox_is("off", "running"));
	conn_close(&c);
	call_ok("sandbox.rm", by_name("off"));
}

static void test_a_hundred_at_once(void **state)
{
	struct conn c[100];
	json_t *r;
	char name[16];
	int i;

	for (i = 0; i < 100; i++) {
		conn_open(&c[i], false);
		snprintf(name, sizeof(name), "n%d", i);
		conn_request(&c[i], "sandbox.create", named(name));
	}
	for (i = 0; i < 100; i++) {
		r = conn_reply(&c[i], c[i].id);
		assert_non_null(json_object_get(r, "result"));
		json_decref(r);
	}
	assert_int_equal(host_vmms(), 100);
	assert_true(sandbox_is("n99", "running"));	/* in a long list */
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		conn_request(&c[i], "sandbox.rm", by_name(name));
	}
	for (i = 0; i < 100; i++) {
		r = conn_reply(&c[i], c[i].id);
		assert_non_null(json_object_get(r, "result"));
		json_decref(r);
		conn_close(&c[i]);
	}
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	assert_int_equal(host_vmms(), 0);
}

/* A reply is one line of at most JSONRPC_LINE_MAX, whatever it lists. */
static void test_long_list_fits_a_line(void **state)
{
	struct conn c;
	char *value = calloc(1, 60001), name[16];
	json_t *r, *list, *sb;
	size_t i;

	assert_non_null(value);
	memset(value, 'v', 60000);
	conn_open(&c, false);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		json_decref(conn_ok(&c, "sandbox.create",
				    json_pack("{s:s, s:{s:s}}", "name", name,
					      "env", "V", value)));
	}
	r = conn_ok(&c, "sandbox.list", NULL);
	assert_in_range(json_dumpb(r, NULL, 0, JSON_COMPACT), 1,
			JSONRPC_LINE_MAX - 100);
	list = json_object_get(r, "sandboxes");
	assert_int_equal(json_array_size(list), 20);
	json_array_foreach(list, i, sb)
		assert_string_equal(json_string_value(json_object_get(
					    sb, "state")), "running");
	assert_non_null(json_object_get(json_array_get(list, 0), "env"));
	json_decref(r);
	r = conn_ok(&c, "sandbox.show", by_name("n19"));
	assert_non_null(json_object_get(json_object_get(r, "env"), "V"));
	json_decref(r);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		json_decref(conn_ok(&c, "sandbox.rm", by_name(name)));
	}
	conn_close(&c);
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_shows_what_it_made),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_list_fits_a_line),
		cmocka_unit_test(test_exec_merges_environments),
		cmocka_unit_test(
			test_exec_request_larger_than_the_socket_buffer),
		cmocka_unit_test(test_pause_and_resume),
		cmocka_unit_test(test_shutdown_stops_and_next_use_starts),
		cmocka_unit_test(test_vmm_killed),
		cmocka_unit_test(test_runner_killed),
		cmocka_unit_test(test_power_off_is_stopped),
		cmocka_unit_test(test_a_hundred_at_once),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
