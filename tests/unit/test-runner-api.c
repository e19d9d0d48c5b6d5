/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-api.c - podflared and clients that get it wrong
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/jsonrpc.h"
#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

static void assert_alive(void)
{
	call_ok("runner.info", NULL);
}

static void test_unknown_method_and_parameters(void **state)
{
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	json_decref(conn_fail(&c, "sandbox.nosuch", NULL, "usage"));
	e = conn_fail(&c, "sandbox.create", json_pack("{s:s}", "nmae", "x"),
		      "usage");
	assert_non_null(strstr(json_string_value(json_object_get(e, "message")),
			       "nmae"));
	json_decref(e);
	json_decref(conn_fail(&c, "sandbox.list",
			      json_pack("{s:i}", "x", 1), "usage"));
	json_decref(conn_fail(&c, "sandbox.show", NULL, "usage"));
	json_decref(conn_fail(&c, "sandbox.show",
			      json_pack("{s:i}", "sandbox", 3), "usage"));
	json_decref(conn_fail(&c, "sandbox.rm",
			      json_pack("{s:s, s:s}", "sandbox", "x", "force",
					"yes"), "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:{s:i}}", "env", "A", 1), "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:{s:s}}", "env", "A=B", "x"),
			      "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:i}", "cpus", -1), "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:i}", "cpus", 9), "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:I}", "memory", MIB_(127)),
			      "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:I}", "memory", MIB_(16385)),
			      "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:I}", "disk", MIB_(65537)),
			      "usage"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:s}", "image", "nosuch"),
			      "not_found"));
	json_decref(conn_fail(&c, "sandbox.create",
			      json_pack("{s:s}", "image", "../../etc"),
			      "not_found"));
	/* null is as good as absent */
	json_decref(conn_fail(&c, "sandbox.show",
			      json_pack("{s:n}", "sandbox"), "usage"));
	conn_close(&c);
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
}

static void test_exec_parameters(void **state)
{
	struct conn c;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "x"));
	conn_open(&c, false);
	json_decref(conn_fail(&c, "exec.start",
			      json_pack("{s:s, s:[]}", "sandbox", "x", "cmd"),
			      "usage"));
	json_decref(conn_fail(&c, "exec.start",
			      json_pack("{s:s, s:[i]}", "sandbox", "x", "cmd",
					1), "usage"));
	json_decref(conn_fail(&c, "exec.start",
			      json_pack("{s:s, s:[s], s:i}", "sandbox", "x",
					"cmd", "a", "rows", 70000), "usage"));
	json_decref(conn_fail(&c, "exec.attach",
			      json_pack("{s:s, s:I}", "sandbox", "x",
					"session", (json_int_t)1 << 40),
			      "not_found"));
	json_decref(conn_fail(&c, "files.get",
			      json_pack("{s:s, s:s}", "sandbox", "x", "path",
					""), "usage"));
	conn_close(&c);
	call_ok("sandbox.rm", json_pack("{s:s}", "sandbox", "x"));
}

static void test_network_policies(void **state)
{
	static const char *const bad[] = {
		"", "yes", "allow=", "allow=1.2.3", "allow=10.0.0.0/33",
		"allow=example.org,", "allow=*",
	};
	struct conn c;

	conn_open(&c, false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		json_decref(conn_fail(&c, "sandbox.create",
				      json_pack("{s:s}", "net", bad[i]),
				      "usage"));
	conn_close(&c);
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "none",
					    "net", "off"));
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "all", "net",
					    "on"));
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "some", "net",
					    "allow=192.0.2.0/24:443"));
	assert_string_equal(sandbox_text("none", "net"), "off");
	assert_string_equal(sandbox_text("all", "net"), "on");
	call_ok("sandbox.fork", json_pack("{s:s, s:s}", "sandbox", "some",
					  "name", "copy"));
	assert_string_equal(sandbox_text("copy", "net"),
			    "allow=192.0.2.0/24:443");
	/* it is kept */
	host_end(SIGKILL);
	free(host_start());
	assert_string_equal(sandbox_text("copy", "net"),
			    "allow=192.0.2.0/24:443");
	assert_string_equal(sandbox_text("none", "net"), "off");
	call_ok("sandbox.rm", json_pack("{s:s}", "sandbox", "none"));
	call_ok("sandbox.rm", json_pack("{s:s}", "sandbox", "all"));
	call_ok("sandbox.rm", json_pack("{s:s}", "sandbox", "some"));
	call_ok("sandbox.rm", json_pack("{s:s}", "sandbox", "copy"));
}

static void test_hello_comes_first(void **state)
{
	struct conn c;
	json_t *e;

	conn_open(&c, true);
	json_decref(conn_fail(&c, "runner.info", NULL, "protocol"));
	assert_null(conn_reply(&c, 99));	/* dropped */
	conn_close(&c);
	conn_open(&c, true);
	e = conn_fail(&c, "runner.hello", json_pack("{s:i, s:s}", "protocol",
						    99, "version", "9"),
		      "version");
	assert_non_null(json_object_get(json_object_get(e, "data"), "hint"));
	json_decref(e);
	conn_close(&c);
}

static void test_2000_malformed_lines(void **state)
{
	static const char *const bad[] = {
		"no json", "{", "[]", "\"\"", "{\"a\":1,\"a\":2}", "", "\\",
		"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"x\"}",
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"runner.info\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"runner.info\","
		"\"params\":[]}",
		"{\"id\":\"\\u0000\"}", "\xff\xfe",
	};
	char line[512];
	struct conn c;

	for (unsigned int i = 0; i < 2000; i++) {
		conn_open(&c, true);
		snprintf(line, sizeof(line), "%s\n", bad[i % ARRAY_SIZE(bad)]);
		conn_send(&c, line);
		json_decref(conn_reply(&c, 12345));	/* until it is closed */
		conn_close(&c);
	}
	assert_alive();
}

static void test_2000_malformed_lines_at_once(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct conn c;

	for (int i = 0; i < 2000; i++)
		buf_printf(&b, "line %d\n", i);
	conn_open(&c, false);
	conn_send(&c, buf_str(&b));
	assert_null(conn_reply(&c, 12345));
	conn_close(&c);
	assert_alive();
}

static void test_2000_bad_calls_are_all_answered(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct conn c;
	json_t *r;

	for (int i = 1000; i < 3000; i++)
		buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":"
			   "\"no.such\"}\n", i);
	conn_open(&c, false);
	conn_send(&c, buf_str(&b));
	for (int i = 1000; i < 3000; i++) {
		r = conn_reply(&c, i);
		assert_non_null(json_object_get(r, "error"));
		json_decref(r);
	}
	conn_close(&c);
}

static void test_long_line_and_deep_nesting(void **state)
{
	char *big = malloc(2000001);
	struct conn c;

	memset(big, ' ', 2000000);
	big[2000000] = '\0';
	conn_open(&c, false);
	conn_send(&c, big);
	assert_null(conn_reply(&c, 12345));
	conn_close(&c);
	memset(big, '[', 100000);
	big[100000] = '\n';
	big[100001] = '\0';
	conn_open(&c, false);
	conn_send(&c, big);
	assert_null(conn_reply(&c, 12345));
	conn_close(&c);
	free(big);
	assert_alive();
}

/* A client that never reads its replies must not hold up another. */
static void test_slow_client(void **state)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":"
				   "\"runner.info\",\"params\":{}}\n";
	struct conn slow;
	uint64_t n = 0;

	conn_open(&slow, false);
	/* until even our side's buffer is full */
	while (send(slow.fd, line, sizeof(line) - 1,
		    MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		n++;
	assert_true(n > 100);
	for (int i = 0; i < 100; i++)
		assert_alive();
	conn_close(&slow);
	assert_alive();
}

static void test_half_lines(void **state)
{
	struct conn c[50];
	int i;

	for (i = 0; i < 50; i++) {
		conn_open(&c[i], true);
		conn_send(&c[i], "{\"jsonrpc\":");
	}
	assert_alive();
	for (i = 0; i < 50; i++)
		conn_close(&c[i]);
	assert_alive();
}

static bool none_left(void *arg)
{
	return host_vmms() == 0 && host_count("data/podflare/sandboxes") == 0;
}

static void test_client_dies_while_it_creates(void **state)
{
	struct conn c;

	for (int i = 0; i < 20; i++) {
		conn_open(&c, false);
		/* the agent takes 2 s */
		conn_request(&c, "sandbox.create",
			     json_pack("{s:s, s:I}", "name", "dies", "memory",
				       MIB_(142)));
		poll(NULL, 0, i * 5);
		conn_close(&c);
	}
	host_wait(none_left, NULL);
	call_fail("sandbox.show", json_pack("{s:s}", "sandbox", "dies"),
		  "not_found");
	assert_int_equal(host_count("runtime/podflare/vm"), 0);
}

static void test_half_close_cancels_create_and_answers_the_rest(void **state)
{
	struct conn c;
	int64_t info;
	json_t *r;

	conn_open(&c, false);
	conn_request(&c, "sandbox.create",
		     json_pack("{s:I}", "memory", MIB_(142)));
	info = conn_request(&c, "runner.info", NULL);
	shutdown(c.fd, SHUT_WR);
	r = conn_reply(&c, info);
	assert_non_null(json_object_get(r, "result"));
	json_decref(r);
	conn_close(&c);
	host_wait(none_left, NULL);
}

static void test_removed_while_it_is_created(void **state)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	conn_request(&c, "sandbox.create",
		     json_pack("{s:s, s:I}", "name", "rm", "memory",
			       MIB_(142)));
	for (int i = 0; i < 100 && !sandbox_is("rm", "creating"); i++)
		poll(NULL, 0, 5);
	call_ok("sandbox.rm", json_pack("{s:s}", "sandbox", "rm"));
	r = conn_reply(&c, c.id);
	assert_non_null(json_object_get(r, "error"));
	json_decref(r);
	conn_close(&c);
	assert_true(none_left(NULL));
}

static void test_exec_waits_for_creation(void **state)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	conn_request(&c, "sandbox.create",
		     json_pack("{s:s, s:I}", "name", "w", "memory",
			       MIB_(142)));
	for (int i = 0; i < 100 && !sandbox_is("w", "creating"); i++)
		poll(NULL, 0, 5);
	call_ok("exec.list", json_pack("{s:s}", "sandbox", "w"));
	r = conn_reply(&c, c.id);
	assert_non_null(json_object_get(r, "result"));
	json_decref(r);
	conn_close(&c);
	call_ok("sandbox.rm", json_pack("{s:s}", "sandbox", "w"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_method_and_parameters),
		cmocka_unit_test(test_exec_parameters),
		cmocka_unit_test(test_network_policies),
		cmocka_unit_test(test_hello_comes_first),
		cmocka_unit_test(test_2000_malformed_lines),
		cmocka_unit_test(test_2000_malformed_lines_at_once),
		cmocka_unit_test(test_2000_bad_calls_are_all_answered),
		cmocka_unit_test(test_long_line_and_deep_nesting),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_half_lines),
		cmocka_unit_test(test_client_dies_while_it_creates),
		cmocka_unit_test(
			test_half_close_cancels_create_and_answers_the_rest),
		cmocka_unit_test(test_removed_while_it_is_created),
		cmocka_unit_test(test_exec_waits_for_creation),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
