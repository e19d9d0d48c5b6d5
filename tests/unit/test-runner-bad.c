/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-bad.c - podflared with VMMs and guests that misbehave
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/jsonrpc.h"
#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

static void assert_nothing_left(void)
{
	assert_int_equal(host_vmms(), 0);
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	assert_int_equal(host_count("runtime/podflare/vm"), 0);
}

/* Create with fake-vmm.c's behaviour for @mib. Return: the error object. */
static json_t *fails_with_memory(int mib, const char *code)
{
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	e = conn_fail(&c, "sandbox.create",
		      json_pack("{s:s, s:I}", "name", "bad", "memory",
				MIB_(mib)), code);
	conn_close(&c);
	assert_nothing_left();
	call_fail("sandbox.show", by_name("bad"), "not_found");
	return e;
}

static bool says(const json_t *e, const char *what)
{
	return strstr(json_string_value(json_object_get(e, "message")), what);
}

static void test_guest_panics(void **state)
{
	json_t *e = fails_with_memory(130, "guest");
	const char *console = json_string_value(
		json_object_get(json_object_get(e, "data"), "console"));

	/* also when it was a template's boot */
	assert_true(says(e, "sandbox bad: boot failed: "));
	assert_true(says(e, "panicked"));
	assert_non_null(console);
	assert_non_null(strstr(console, "Kernel panic - not syncing"));
	/* colours and bytes that are no UTF-8 are gone */
	assert_null(strchr(console, '\x1b'));
	json_decref(e);
}

static void test_guest_panics_when_it_is_started_again(void **state)
{
	const char *hint, *console;
	struct conn c;
	json_t *e;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "again"));
	call_ok("runner.shutdown", NULL);
	host_end(0);
	setenv("PODFLARE_FAKE_PANIC", "1", 1);
	assert_null(host_start());
	conn_open(&c, false);
	e = conn_fail(&c, "exec.list", by_name("again"), "guest");
	assert_true(says(e, "panicked"));
	hint = json_string_value(json_object_get(json_object_get(e, "data"),
						 "hint"));
	assert_non_null(hint);
	assert_non_null(strstr(hint, "podflare logs again"));
	console = json_string_value(json_object_get(json_object_get(e, "data"),
						    "console"));
	assert_non_null(console);
	assert_non_null(strstr(console, "Kernel panic - not syncing"));
	json_decref(e);
	conn_close(&c);
	host_end(SIGTERM);
	unsetenv("PODFLARE_FAKE_PANIC");
	assert_null(host_start());
	call_ok("exec.list", by_name("again"));
	call_ok("sandbox.rm", by_name("again"));
	assert_nothing_left();
}

static void test_agent_never_comes_up(void **state)
{
	json_t *e = fails_with_memory(132, "guest");

	assert_true(says(e, "within 4 s"));
	assert_non_null(json_object_get(json_object_get(e, "data"),
					"console"));
	json_decref(e);
}

static void test_vmm_refuses(void **state)
{
	json_t *e = fails_with_memory(134, "no_memory");

	assert_true(says(e, "cannot have that memory"));
	json_decref(e);
}

static void test_vmm_dies_at_once(void **state)
{
	json_decref(fails_with_memory(136, "unavailable"));
}

static void test_vmm_sends_garbage(void **state)
{
	json_t *e = fails_with_memory(138, "protocol");

	assert_true(says(e, "control protocol"));
	json_decref(e);
}

static void test_vmm_answers_something_else(void **state)
{
	json_decref(fails_with_memory(140, "protocol"));
}

static void test_lying_hello(void **state)
{
	static const struct {
		const char *name, *code;
	} cases[] = {
		{ "hello-proto", "version" }, { "hello-type", "protocol" },
		{ "hello-huge", "protocol" }, { "hello-tlv", "protocol" },
		{ "hello-silent", "guest" }, { "hello-close", "guest" },
		{ "hello-error", "guest" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		call_fail("sandbox.create",
			  json_pack("{s:s}", "name", cases[i].name),
			  cases[i].code);
		assert_nothing_left();
	}
}

static void test_lying_agent(void **state)
{
	static const struct {
		const char *name, *code;
	} cases[] = {
		{ "lie-type", "protocol" }, { "lie-huge", "protocol" },
		{ "lie-tlv", "protocol" }, { "lie-close", "guest" },
		{ "lie-error", "guest" },
	};
	const char *name;
	struct conn c;
	json_t *sb, *e;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		name = cases[i].name;
		call_ok("sandbox.create", json_pack("{s:s}", "name", name));
		call_fail("exec.list", by_name(name), cases[i].code);
		conn_open(&c, false);
		e = conn_fail(&c, "files.stat",
			      json_pack("{s:s, s:s}", "sandbox", name, "path",
					"/x"), cases[i].code);
		assert_null(strchr(json_string_value(
				json_object_get(e, "message")), '\x1b'));
		json_decref(e);
		/* figures from inside are left out */
		sb = conn_ok(&c, "sandbox.show", by_name(name));
		assert_null(json_object_get(sb, "guest"));
		json_decref(sb);
		conn_close(&c);
		call_ok("sandbox.rm", by_name(name));
	}
	assert_nothing_left();
}

static void test_values_from_the_guest_are_clean(void **state)
{
	struct conn c;
	json_t *v, *s;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "g"));
	conn_open(&c, false);
	v = conn_ok(&c, "sandbox.show", by_name("g"));
	s = json_object_get(v, "guest");
	assert_string_equal(json_string_value(json_object_get(s, "load")),
			    "0.1 0.2[2J");
	assert_int_equal(json_array_size(json_object_get(v, "sessions")), 2);
	s = json_array_get(json_object_get(v, "sessions"), 1);
	assert_int_equal(json_integer_value(json_object_get(s, "exit_code")),
			 2);
	json_decref(v);
	v = conn_ok(&c, "files.stat", json_pack("{s:s, s:s}", "sandbox", "g",
						"path", "/x"));
	assert_string_equal(json_string_value(json_object_get(v, "type")),
			    "file");
	assert_string_equal(json_string_value(json_object_get(v, "link")),
			    "a\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(v);
	v = conn_ok(&c, "files.stat", json_pack("{s:s, s:s}", "sandbox", "g",
						"path", "/missing"));
	assert_true(json_is_false(json_object_get(v, "exists")));
	json_decref(v);
	v = conn_ok(&c, "sandbox.logs", by_name("g"));
	assert_non_null(strstr(json_string_value(json_object_get(v, "console")),
			       "\x1b[31mred"));
	json_decref(v);
	v = conn_ok(&c, "sandbox.logs",
		    json_pack("{s:s, s:i}", "sandbox", "g", "tail", 1));
	assert_null(strstr(json_string_value(json_object_get(v, "console")),
			   "Linux"));
	json_decref(v);
	conn_close(&c);
	call_ok("sandbox.rm", by_name("g"));
}

static void test_long_sessions_fit_a_line(void **state)
{
	struct conn c;
	json_t *v;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "long-sessions"));
	conn_open(&c, false);
	v = conn_ok(&c, "exec.list", by_name("long-sessions"));
	assert_in_range(json_dumpb(v, NULL, 0, JSON_COMPACT), 1,
			JSONRPC_LINE_MAX - 100);
	assert_int_equal(json_array_size(json_object_get(v, "sessions")), 250);
	json_decref(v);
	v = conn_ok(&c, "sandbox.show", by_name("long-sessions"));
	assert_in_range(json_dumpb(v, NULL, 0, JSON_COMPACT), 1,
			JSONRPC_LINE_MAX - 100);
	json_decref(v);
	conn_close(&c);
	call_ok("sandbox.rm", by_name("long-sessions"));
}

static bool has_failed(void *name)
{
	return sandbox_is(name, "failed");
}

/* Bytes that are no text grow when they are replaced, and are cut. */
static void test_long_bad_texts_are_not_lost(void **state)
{
	struct conn c;
	json_t *e;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "lie-longer"));
	conn_open(&c, false);
	e = conn_fail(&c, "exec.list", by_name("lie-longer"), "guest");
	assert_true(says(e, "sandbox lie-longer: \xef\xbf\xbd"));
	json_decref(e);
	conn_close(&c);
	call_ok("sandbox.rm", by_name("lie-longer"));

	call_ok("sandbox.create", json_pack("{s:s, s:I}", "name", "e",
					    "memory", MIB_(146)));
	call_fail("sandbox.pause", by_name("e"), "unavailable");
	host_wait(has_failed, (void *)"e");
	assert_non_null(strstr(sandbox_text("e", "reason"), "error in itself"));
	/* in its meta.json, too */
	host_end(SIGTERM);
	assert_null(host_start());
	assert_non_null(strstr(sandbox_text("e", "reason"), "error in itself"));
	call_ok("sandbox.rm", by_name("e"));
}

static void test_silent_agent_has_a_deadline(void **state)
{
	/* the boot's 4 s became the calls' 15 s: too long for a test */
	call_ok("sandbox.create", json_pack("{s:s}", "name", "lie-silent"));
	call_ok("sandbox.rm", by_name("lie-silent"));
	assert_nothing_left();
}

static bool runner_is_gone(void *arg)
{
	return kill(host_runner, 0) < 0 ||
	       access(host_path("runtime/podflare/runner.sock"), F_OK) < 0;
}

static void test_stop_leaves_sandboxes(void **state)
{
	call_ok("sandbox.create", json_pack("{s:s, s:I}", "name", "stay",
					    "memory", MIB_(144)));
	call_ok("runner.stop", NULL);
	host_wait(runner_is_gone, NULL);
	host_end(0);
	assert_int_equal(host_vmms(), 1);
	assert_null(host_start());
	assert_true(sandbox_is("stay", "running"));
	/* it ignores every request to end, and goes all the same */
	call_ok("sandbox.rm", by_name("stay"));
	assert_nothing_left();
}

static void test_runner_killed_while_it_creates(void **state)
{
	struct conn c;

	for (int i = 0; i < 12; i++) {
		conn_open(&c, false);
		conn_request(&c, "sandbox.create",
			     json_pack("{s:s, s:I}", "name", "half", "memory",
				       MIB_(i % 3 ? 142 : 150)));
		poll(NULL, 0, i * 2);
		host_end(SIGKILL);
		conn_close(&c);
		assert_null(host_start());
		if (sandbox_is("half", "running"))
			call_ok("sandbox.rm", by_name("half"));
		call_fail("sandbox.show", by_name("half"), "not_found");
		for (int j = 0; j < 200 && host_vmms(); j++)
			poll(NULL, 0, 10);
		assert_nothing_left();
	}
}

static void test_runner_killed_while_it_removes(void **state)
{
	struct conn c;

	for (int i = 0; i < 12; i++) {
		call_ok("sandbox.create", json_pack("{s:s}", "name", "rm"));
		conn_open(&c, false);
		conn_request(&c, "sandbox.rm", by_name("rm"));
		for (volatile int spin = 0; spin < i * 20000; spin++)
			;
		host_end(SIGKILL);
		conn_close(&c);
		assert_null(host_start());
		/* all of it or nothing: never one that seems to have died */
		if (*sandbox_text("rm", "state")) {
			assert_true(sandbox_is("rm", "running"));
			call_ok("sandbox.rm", by_name("rm"));
		}
		assert_nothing_left();
	}
}

static void test_damaged_meta_is_kept_as_failed(void **state)
{
	char id[32];
	FILE *f;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "dmg"));
	snprintf(id, sizeof(id), "%s", sandbox_text("dmg", "id"));
	host_end(SIGKILL);
	f = fopen(host_path("data/podflare/sandboxes/%s/meta.json", id), "we");
	fputs("{\"format\":", f);
	fclose(f);
	assert_null(host_start());
	assert_true(sandbox_is(id, "failed"));
	assert_non_null(strstr(sandbox_text(id, "reason"), "damaged"));
	call_ok("sandbox.rm", by_name(id));
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_panics),
		cmocka_unit_test(test_guest_panics_when_it_is_started_again),
		cmocka_unit_test(test_agent_never_comes_up),
		cmocka_unit_test(test_vmm_refuses),
		cmocka_unit_test(test_vmm_dies_at_once),
		cmocka_unit_test(test_vmm_sends_garbage),
		cmocka_unit_test(test_vmm_answers_something_else),
		cmocka_unit_test(test_lying_hello),
		cmocka_unit_test(test_lying_agent),
		cmocka_unit_test(test_values_from_the_guest_are_clean),
		cmocka_unit_test(test_long_sessions_fit_a_line),
		cmocka_unit_test(test_long_bad_texts_are_not_lost),
		cmocka_unit_test(test_silent_agent_has_a_deadline),
		cmocka_unit_test(test_stop_leaves_sandboxes),
		cmocka_unit_test(test_runner_killed_while_it_creates),
		cmocka_unit_test(test_runner_killed_while_it_removes),
		cmocka_unit_test(test_damaged_meta_is_kept_as_failed),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
