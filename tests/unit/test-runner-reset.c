/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-reset.c - sandbox.reset, with VMMs that are played
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

#define SANDBOXES "data/podflare/sandboxes"
#define SNAPSHOTS "data/podflare/snapshots"

static json_t *reset(const char *sandbox, const char *snapshot)
{
	return json_pack("{s:s, s:s}", "sandbox", sandbox, "snapshot",
			 snapshot);
}

static json_t *without(const char *sandbox, const char *snapshot)
{
	return json_pack("{s:s, s:s, s:b}", "sandbox", sandbox, "snapshot",
			 snapshot, "safety", 0);
}

static void snap(const char *sandbox, const char *name)
{
	call_ok("snapshot.create", json_pack("{s:s, s:s}", "sandbox", sandbox,
					     "name", name));
}

static void snap_rm(const char *name)
{
	call_ok("snapshot.rm", json_pack("{s:s}", "snapshot", name));
}

/* A snapshot "good" of a sandbox of @mib MiB that is gone. */
static void make_good(int mib)
{
	create("g", mib);
	snap("g", "good");
	rm("g");
}

static json_t *snapshot(const char *name)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_ok(&c, "snapshot.show", json_pack("{s:s}", "snapshot", name));
	conn_close(&c);
	return r;
}

/* The error's message; static storage. */
static const char *fails(json_t *params, const char *code)
{
	static char text[1024];
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	e = conn_fail(&c, "sandbox.reset", params, code);
	snprintf(text, sizeof(text), "%s", text_of(e, "message"));
	json_decref(e);
	conn_close(&c);
	return text;
}

static void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no \"%s\" in: %s", what, text);
}

static bool no_snapshots(void *arg)
{
	return host_count(SNAPSHOTS) == 0;
}

static bool one_folder(void *arg)
{
	return host_count(SANDBOXES) == 1 && host_count(SNAPSHOTS) == 1;
}

static void done(void)
{
	host_wait(no_snapshots, NULL);
	assert_nothing_left();
}

static void it_keeps_name_and_id(void **state)
{
	char id[16], pid[16];
	struct conn c;
	json_t *r, *s;

	make_good(172);
	conn_open(&c, false);
	json_decref(conn_ok(&c, "sandbox.create", json_pack(
		"{s:s, s:I, s:{s:s}, s:{s:s}}", "name", "f", "memory",
		MIB_(170), "env", "K", "V", "labels", "L", "W")));
	snprintf(id, sizeof(id), "%s", sandbox_text("f", "id"));
	snprintf(pid, sizeof(pid), "%s", sandbox_text("f", "pid"));
	r = conn_ok(&c, "sandbox.reset", reset("f", "good"));
	assert_string_equal(text_of(r, "id"), id);
	assert_string_equal(text_of(r, "name"), "f");
	assert_string_equal(text_of(r, "state"), "running");
	assert_string_equal(text_of(r, "safety"), "f-safety-1");
	assert_string_equal(text_of(json_object_get(r, "env"), "K"), "V");
	assert_string_equal(text_of(json_object_get(r, "labels"), "L"), "W");
	assert_string_equal(text_of(json_object_get(r, "origin"),
				    "parent_name"), "good");
	/* its sizes are the snapshot's */
	assert_int_equal(json_integer_value(json_object_get(r, "memory")),
			 MIB_(172));
	assert_int_equal(json_integer_value(json_object_get(
		json_object_get(r, "was"), "memory")), MIB_(170));
	json_decref(r);
	conn_close(&c);
	assert_string_not_equal(sandbox_text("f", "pid"), pid);
	call_ok("exec.list", by_name("f"));
	s = snapshot("f-safety-1");
	assert_string_equal(text_of(s, "how"), "safety");
	json_decref(s);
	/* and back */
	call_ok("sandbox.reset", without("f", "f-safety-1"));
	assert_string_equal(sandbox_text("f", "memory"), "178257920");
	snap_rm("good");
	snap_rm("f-safety-1");
	host_end(SIGKILL);
	assert_null(host_start());
	assert_true(sandbox_is("f", "running"));
	assert_string_equal(sandbox_text("f", "id"), id);
	call_ok("exec.list", by_name("f"));
	rm("f");
	done();
}

static void a_frozen_one_runs_afterwards(void **state)
{
	make_good(170);
	create("f", 170);
	call_ok("sandbox.freeze", by_name("f"));
	call_ok("sandbox.reset", reset("f", "good"));
	assert_true(sandbox_is("f", "running"));
	assert_int_equal(host_vmms(), 1);
	call_ok("exec.list", by_name("f"));
	rm("f");
	snap_rm("good");
	snap_rm("f-safety-1");
	done();
}

static bool has_failed(void *arg)
{
	return sandbox_is("f", "failed");
}

static void of_one_that_has_failed_the_disk_is_kept(void **state)
{
	json_t *s;

	make_good(170);
	create("f", 170);
	kill(atoi(sandbox_text("f", "pid")), SIGKILL);
	host_wait(has_failed, NULL);
	call_ok("sandbox.reset", reset("f", "good"));
	assert_true(sandbox_is("f", "running"));
	call_ok("exec.list", by_name("f"));
	s = snapshot("f-safety-1");
	assert_true(json_is_true(json_object_get(s, "disk_only")));
	json_decref(s);
	/* it survives, and what is made of it boots */
	host_end(SIGKILL);
	assert_null(host_start());
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "c", "from",
					    "f-safety-1"));
	call_ok("exec.list", by_name("c"));
	rm("c");
	call_ok("sandbox.reset", without("f", "f-safety-1"));
	call_ok("exec.list", by_name("f"));
	rm("f");
	snap_rm("good");
	snap_rm("f-safety-1");
	done();
}

static void what_cannot_be_reset_says_why(void **state)
{
	make_good(170);
	fails(reset("f", "good"), "not_found");
	create("f", 170);
	assert_says(fails(reset("f", "nosuch"), "not_found"), "nosuch");
	call_ok("sandbox.pause", by_name("f"));
	assert_says(fails(reset("f", "good"), "state"), "is paused");
	rm("f");
	snap_rm("good");
	done();
}

static void failures_leave_it_as_it_was(void **state)
{
	static const int modes[] = { 188, 190, 192, 194, 196 };
	char pid[16];

	create("f", 170);
	snprintf(pid, sizeof(pid), "%s", sandbox_text("f", "pid"));
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct conn c;
		json_t *r;

		make_good(modes[i]);
		conn_open(&c, false);
		r = conn_reply(&c, conn_request(&c, "sandbox.reset",
						reset("f", "good")));
		assert_says(text_of(json_object_get(r, "error"), "message"),
			    "sandbox f: not reset: ");
		json_decref(r);
		conn_close(&c);
		assert_string_equal(sandbox_text("f", "pid"), pid);
		call_ok("exec.list", by_name("f"));
		host_wait(one_folder, NULL);	/* no safety snapshot */
		snap_rm("good");
	}
	rm("f");
	done();
}

static void without_room_for_what_it_was_nothing_happens(void **state)
{
	make_good(170);
	create("f", 180);
	assert_says(fails(reset("f", "good"), "no_space"),
		    "sandbox f: not reset: ");
	assert_true(sandbox_is("f", "running"));
	call_ok("exec.list", by_name("f"));
	host_wait(one_folder, NULL);
	/* if nobody wants it, none is needed */
	call_ok("sandbox.reset", without("f", "good"));
	call_ok("exec.list", by_name("f"));
	rm("f");
	snap_rm("good");
	done();
}

static bool stands_in(void *arg)
{
	return host_count(SANDBOXES) == 2;
}

static bool keeps(void *arg)
{
	return host_count(SNAPSHOTS) == 2 && host_vmms() == 3;
}

/* Until it is in that stage; the sandbox's memory takes 1 s to be saved. */
static void begin(struct conn *c, bool (*stage)(void *arg))
{
	make_good(170);
	create("f", 184);
	conn_open(c, false);
	conn_request(c, "sandbox.reset", reset("f", "good"));
	host_wait(stage, NULL);
}

static void a_runner_killed_meanwhile_leaves_it_as_it_was(void **state)
{
	bool (*const stages[])(void *arg) = { stands_in, keeps };

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		char id[16];
		struct conn c;

		begin(&c, stages[i]);
		snprintf(id, sizeof(id), "%s", sandbox_text("f", "id"));
		host_end(SIGKILL);
		conn_close(&c);
		assert_null(host_start());
		assert_string_equal(sandbox_text("f", "id"), id);
		assert_string_equal(sandbox_text("f", "memory"), "192937984");
		call_ok("exec.list", by_name("f"));
		host_wait(one_folder, NULL);
		rm("f");
		snap_rm("good");
		done();
	}
}

static void a_client_that_goes_away_leaves_it_as_it_was(void **state)
{
	struct conn c;

	begin(&c, keeps);
	conn_close(&c);
	host_wait(one_folder, NULL);
	assert_string_equal(sandbox_text("f", "memory"), "192937984");
	call_ok("exec.list", by_name("f"));
	rm("f");
	snap_rm("good");
	done();
}

static void a_shutdown_meanwhile_leaves_what_it_was(void **state)
{
	bool (*const stages[])(void *arg) = { stands_in, keeps };

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		struct conn c;

		begin(&c, stages[i]);
		call_ok("runner.shutdown", NULL);
		conn_close(&c);
		host_end(SIGTERM);
		assert_null(host_start());
		assert_string_equal(sandbox_text("f", "state"), "stopped");
		assert_string_equal(sandbox_text("f", "memory"), "192937984");
		host_wait(one_folder, NULL);
		rm("f");
		snap_rm("good");
		done();
	}
}

static void it_may_be_removed_meanwhile(void **state)
{
	struct conn c;

	begin(&c, keeps);
	rm("f");
	snap_rm("good");
	conn_close(&c);
	done();
}

static void the_copys_end_meanwhile_is_noticed(void **state)
{
	struct conn c, d;
	json_t *r, *sb;
	int64_t id;
	size_t i;

	make_good(170);
	create("f", 184);
	conn_open(&c, false);
	id = conn_request(&c, "sandbox.reset", reset("f", "good"));
	host_wait(keeps, NULL);
	/* one is to be seen, under its own id */
	conn_open(&d, false);
	r = conn_ok(&d, "sandbox.list", NULL);
	assert_int_equal(json_array_size(json_object_get(r, "sandboxes")), 1);
	json_array_foreach(json_object_get(r, "sandboxes"), i, sb)
		assert_string_equal(text_of(sb, "state"), "running");
	json_decref(r);
	conn_close(&d);
	host_kill_vmms();
	r = conn_reply(&c, id);
	assert_non_null(json_object_get(r, "error"));
	json_decref(r);
	conn_close(&c);
	host_wait(has_failed, NULL);
	host_wait(one_folder, NULL);
	rm("f");
	snap_rm("good");
	done();
}

static void the_log_tells_of_it(void **state)
{
	struct conn c;
	json_t *r, *list, *e;

	make_good(170);
	create("f", 170);
	call_ok("sandbox.reset", reset("f", "good"));
	conn_open(&c, false);
	r = conn_ok(&c, "sandbox.log", by_name("f"));
	list = json_object_get(r, "events");
	e = json_array_get(list, json_array_size(list) - 1);
	assert_string_equal(text_of(e, "what"), "reset");
	assert_string_equal(text_of(e, "name"), "f");
	assert_string_equal(text_of(e, "sandbox"), sandbox_text("f", "id"));
	assert_string_equal(text_of(e, "snapshot_name"), "good");
	assert_string_equal(text_of(e, "safety_name"), "f-safety-1");
	json_decref(r);
	conn_close(&c);
	rm("f");
	snap_rm("good");
	snap_rm("f-safety-1");
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_keeps_name_and_id),
		cmocka_unit_test(a_frozen_one_runs_afterwards),
		cmocka_unit_test(of_one_that_has_failed_the_disk_is_kept),
		cmocka_unit_test(what_cannot_be_reset_says_why),
		cmocka_unit_test(failures_leave_it_as_it_was),
		cmocka_unit_test(without_room_for_what_it_was_nothing_happens),
		cmocka_unit_test(a_runner_killed_meanwhile_leaves_it_as_it_was),
		cmocka_unit_test(a_client_that_goes_away_leaves_it_as_it_was),
		cmocka_unit_test(a_shutdown_meanwhile_leaves_what_it_was),
		cmocka_unit_test(it_may_be_removed_meanwhile),
		cmocka_unit_test(the_copys_end_meanwhile_is_noticed),
		cmocka_unit_test(the_log_tells_of_it),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
