/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-freeze.c - freeze and thaw, with VMMs that are played
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

static char id[16];

static void create_f(int mib)
{
	create("f", mib);
	snprintf(id, sizeof(id), "%s", sandbox_text("f", "id"));
}

static bool has(const char *name)
{
	return access(host_path("data/podflare/sandboxes/%s/%s", id, name),
		      F_OK) == 0;
}

static void freeze(void)
{
	call_ok("sandbox.freeze", by_name("f"));
}

/* The call's error's message; static storage. */
static const char *fails(const char *method, const char *code)
{
	static char text[1024];
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	e = conn_fail(&c, method, by_name("f"), code);
	snprintf(text, sizeof(text), "%s",
		 json_string_value(json_object_get(e, "message")));
	json_decref(e);
	conn_close(&c);
	return text;
}

static void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no \"%s\" in: %s", what, text);
}

static bool console_has(const char *what)
{
	struct conn c;
	json_t *r;
	bool found;

	conn_open(&c, false);
	r = conn_ok(&c, "sandbox.logs", by_name("f"));
	found = strstr(text_of(r, "console"), what);
	json_decref(r);
	conn_close(&c);
	return found;
}

static bool no_vmm(void *arg)
{
	return host_vmms() == 0;
}

static bool has_failed(void *arg)
{
	return sandbox_is("f", "failed");
}

static bool saves(void *arg)
{
	return has("memory");
}

static bool has_second_layer(void *arg)
{
	return has("disk.001.cow");
}

static void done(void)
{
	rm("f");
	assert_nothing_left();
}

static void a_frozen_one_has_no_process(void **state)
{
	create_f(170);
	freeze();
	assert_true(sandbox_is("f", "frozen"));
	assert_int_equal(host_vmms(), 0);
	assert_int_equal(host_count("runtime/podflare/vm"), 0);
	assert_true(has("state") && has("memory"));
	/* looking at it does not wake it */
	call_ok("sandbox.show", by_name("f"));
	assert_true(sandbox_is("f", "frozen"));
	assert_string_not_equal(sandbox_text("f", "memory_saved"), "");
	done();
}

static void what_needs_it_thaws_it(void **state)
{
	create_f(170);
	freeze();
	call_ok("exec.list", by_name("f"));
	assert_true(sandbox_is("f", "running"));
	assert_int_equal(host_vmms(), 1);
	assert_false(has("state") || has("memory"));
	/* the same machine: no copy */
	assert_true(console_has("hello again"));
	done();
}

static void again_and_again(void **state)
{
	create_f(170);
	for (int i = 0; i < 20; i++) {
		freeze();
		call_ok("sandbox.thaw", by_name("f"));
		assert_true(sandbox_is("f", "running"));
	}
	call_ok("exec.list", by_name("f"));
	done();
}

static void freezing_and_thawing_twice_is_no_harm(void **state)
{
	create_f(170);
	call_ok("sandbox.thaw", by_name("f"));
	freeze();
	freeze();
	call_ok("sandbox.thaw", by_name("f"));
	call_ok("sandbox.thaw", by_name("f"));
	done();
}

static void a_full_disk_leaves_it_as_it_was(void **state)
{
	char pid[32];

	create_f(180);
	snprintf(pid, sizeof(pid), "%s", sandbox_text("f", "pid"));
	assert_says(fails("sandbox.freeze", "no_space"),
		    "sandbox f: cannot be frozen: fake: no space");
	assert_true(sandbox_is("f", "running"));
	assert_string_equal(sandbox_text("f", "pid"), pid);
	assert_false(has("state") || has("memory"));
	call_ok("exec.list", by_name("f"));
	/* not paused: it can be paused */
	call_ok("sandbox.pause", by_name("f"));
	done();
}

static void one_that_cannot_be_paused_goes_on(void **state)
{
	create_f(186);
	assert_says(fails("sandbox.freeze", "io"), "fake: goes on");
	call_ok("exec.list", by_name("f"));
	assert_true(sandbox_is("f", "running"));
	done();
}

static void a_vmm_that_dies_while_saving_is_a_failed_sandbox(void **state)
{
	create_f(182);
	fails("sandbox.freeze", "unavailable");
	host_wait(has_failed, NULL);
	assert_false(has("state") || has("memory"));
	done();
}

static void who_comes_while_it_is_frozen_waits_and_thaws(void **state)
{
	struct conn c, d;
	int64_t freezing, list;
	json_t *r;

	create_f(184);
	conn_open(&c, false);
	conn_open(&d, false);
	freezing = conn_request(&c, "sandbox.freeze", by_name("f"));
	host_wait(saves, NULL);
	list = conn_request(&d, "exec.list", by_name("f"));
	json_decref(conn_fail(&c, "sandbox.pause", by_name("f"), "busy"));
	json_decref(conn_fail(&c, "sandbox.fork", by_name("f"), "busy"));
	json_decref(conn_fail(&c, "sandbox.freeze", by_name("f"), "busy"));
	r = conn_reply(&c, freezing);
	assert_non_null(json_object_get(r, "result"));
	json_decref(r);
	r = conn_reply(&d, list);
	assert_non_null(json_object_get(r, "result"));
	json_decref(r);
	assert_true(sandbox_is("f", "running"));
	conn_close(&c);
	conn_close(&d);
	done();
}

static void damage_leaves_it_frozen(void **state)
{
	create_f(188);
	freeze();
	for (int i = 0; i < 3; i++)
		assert_says(fails("exec.list", "io"),
			    "memory file: damaged at 0 MiB");
	assert_true(sandbox_is("f", "frozen"));
	assert_says(sandbox_text("f", "reason"), "memory file: damaged");
	host_wait(no_vmm, NULL);
	assert_true(has("state") && has("memory") && has("disk.000.cow"));
	/* its layers do not become more */
	assert_false(has("disk.002.cow"));
	done();
}

static void its_disk_is_good_without_its_memory(void **state)
{
	create_f(188);
	freeze();
	fails("sandbox.thaw", "io");
	call_ok("sandbox.thaw", json_pack("{s:s, s:b}", "sandbox", "f", "boot",
					  1));
	assert_true(sandbox_is("f", "running"));
	assert_false(has("state") || has("memory"));
	done();
}

static void other_files_in_its_place_are_refused(void **state)
{
	FILE *f;

	create_f(170);
	freeze();
	f = fopen(host_path("data/podflare/sandboxes/%s/state", id), "we");
	fputs("something else", f);
	fclose(f);
	assert_says(fails("sandbox.thaw", "io"), "not a machine's state");
	unlink(host_path("data/podflare/sandboxes/%s/state", id));
	assert_says(fails("sandbox.thaw", "not_found"), "state");
	assert_true(sandbox_is("f", "frozen"));
	done();
}

static void one_that_does_not_come_back_stays_frozen(void **state)
{
	static const int modes[] = { 190, 192, 194 };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct conn c;
		json_t *r;

		create_f(modes[i]);
		freeze();
		conn_open(&c, false);
		r = conn_reply(&c, conn_request(&c, "sandbox.thaw",
						by_name("f")));
		assert_non_null(json_object_get(r, "error"));
		json_decref(r);
		conn_close(&c);
		assert_true(sandbox_is("f", "frozen"));
		host_wait(no_vmm, NULL);
		done();
	}
}

static void it_survives_its_runner(void **state)
{
	create_f(170);
	freeze();
	host_end(SIGKILL);
	assert_null(host_start());
	assert_true(sandbox_is("f", "frozen"));
	call_ok("exec.list", by_name("f"));
	host_end(SIGKILL);
	assert_null(host_start());
	assert_true(sandbox_is("f", "running"));
	done();
}

static void a_runner_killed_while_freezing_lets_it_go_on(void **state)
{
	struct conn c;

	create_f(184);
	conn_open(&c, false);
	conn_request(&c, "sandbox.freeze", by_name("f"));
	host_wait(saves, NULL);
	host_end(SIGKILL);
	conn_close(&c);
	assert_null(host_start());
	assert_true(sandbox_is("f", "running"));
	assert_false(has("state") || has("memory"));
	call_ok("exec.list", by_name("f"));
	/* it is not paused */
	call_ok("sandbox.pause", by_name("f"));
	done();
}

static void a_runner_ended_while_freezing_ends_it_first(void **state)
{
	struct conn c;

	create_f(184);
	conn_open(&c, false);
	conn_request(&c, "sandbox.freeze", by_name("f"));
	host_wait(saves, NULL);
	host_end(SIGTERM);
	conn_close(&c);
	assert_null(host_start());
	assert_true(sandbox_is("f", "frozen"));
	call_ok("exec.list", by_name("f"));
	done();
}

static void a_runner_killed_while_thawing_finds_it_frozen(void **state)
{
	struct conn c;

	create_f(192);
	freeze();
	conn_open(&c, false);
	conn_request(&c, "sandbox.thaw", by_name("f"));
	host_wait(has_second_layer, NULL);
	poll(NULL, 0, 200);
	host_end(SIGKILL);
	conn_close(&c);
	assert_null(host_start());
	assert_true(sandbox_is("f", "frozen"));
	assert_int_equal(host_vmms(), 0);
	assert_true(has("state") && has("memory"));
	done();
}

static void what_cannot_be_frozen_says_why(void **state)
{
	create_f(170);
	call_ok("sandbox.pause", by_name("f"));
	assert_says(fails("sandbox.freeze", "state"), "is paused");
	assert_says(fails("sandbox.thaw", "state"), "is paused");
	rm("f");
	assert_nothing_left();
	fails("sandbox.freeze", "not_found");
	fails("sandbox.thaw", "not_found");
	create_f(146);
	fails("sandbox.pause", "unavailable");
	host_wait(has_failed, NULL);
	assert_says(fails("sandbox.freeze", "state"), "has failed");
	done();
	create_f(170);
	freeze();
	assert_says(fails("sandbox.pause", "state"), "is frozen");
	done();
}

static void it_is_removed_in_any_state(void **state)
{
	struct conn c;

	create_f(184);
	conn_open(&c, false);
	conn_request(&c, "sandbox.freeze", by_name("f"));
	host_wait(saves, NULL);
	rm("f");
	conn_close(&c);
	assert_nothing_left();
	create_f(192);
	freeze();
	conn_open(&c, false);
	conn_request(&c, "sandbox.thaw", by_name("f"));
	host_wait(has_second_layer, NULL);
	rm("f");
	conn_close(&c);
	assert_nothing_left();
}

static void a_client_that_goes_away_does_not_stop_it(void **state)
{
	struct conn c;

	create_f(184);
	conn_open(&c, false);
	conn_request(&c, "sandbox.freeze", by_name("f"));
	host_wait(saves, NULL);
	conn_close(&c);
	host_wait(no_vmm, NULL);
	assert_true(sandbox_is("f", "frozen"));
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frozen_one_has_no_process),
		cmocka_unit_test(what_needs_it_thaws_it),
		cmocka_unit_test(again_and_again),
		cmocka_unit_test(freezing_and_thawing_twice_is_no_harm),
		cmocka_unit_test(a_full_disk_leaves_it_as_it_was),
		cmocka_unit_test(one_that_cannot_be_paused_goes_on),
		cmocka_unit_test(a_vmm_that_dies_while_saving_is_a_failed_sandbox),
		cmocka_unit_test(who_comes_while_it_is_frozen_waits_and_thaws),
		cmocka_unit_test(damage_leaves_it_frozen),
		cmocka_unit_test(its_disk_is_good_without_its_memory),
		cmocka_unit_test(other_files_in_its_place_are_refused),
		cmocka_unit_test(one_that_does_not_come_back_stays_frozen),
		cmocka_unit_test(it_survives_its_runner),
		cmocka_unit_test(a_runner_killed_while_freezing_lets_it_go_on),
		cmocka_unit_test(a_runner_ended_while_freezing_ends_it_first),
		cmocka_unit_test(a_runner_killed_while_thawing_finds_it_frozen),
		cmocka_unit_test(what_cannot_be_frozen_says_why),
		cmocka_unit_test(it_is_removed_in_any_state),
		cmocka_unit_test(a_client_that_goes_away_does_not_stop_it),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
