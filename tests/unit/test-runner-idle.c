/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-idle.c - idle timeouts, with VMMs that are played
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

static json_t *idle(const char *name, int mib, int ms, const char *what)
{
	json_t *p = json_pack("{s:s, s:I, s:i}", "name", name, "memory",
			      MIB_(mib), "idle_timeout_ms", ms);

	if (what)
		json_object_set_new(p, "on_idle", json_string(what));
	return p;
}

static bool is_frozen(void *arg)
{
	return sandbox_is(arg, "frozen");
}

static bool is_gone(void *arg)
{
	return !*sandbox_text(arg, "state");
}

static void an_idle_one_is_frozen(void **state)
{
	call_ok("sandbox.create", idle("f", 170, 1000, NULL));
	assert_string_equal(sandbox_text("f", "on_idle"), "freeze");
	assert_true(sandbox_is("f", "running"));
	host_wait(is_frozen, "f");
	/* and again, once it was used */
	call_ok("exec.list", by_name("f"));
	assert_true(sandbox_is("f", "running"));
	host_wait(is_frozen, "f");
	rm("f");
	assert_nothing_left();
}

static void or_removed(void **state)
{
	call_ok("sandbox.create", idle("f", 170, 1000, "rm"));
	host_wait(is_gone, "f");
	assert_nothing_left();
}

static void touch_is_use(void **state)
{
	call_ok("sandbox.create", idle("f", 170, 1500, NULL));
	for (int i = 0; i < 12; i++) {
		poll(NULL, 0, 250);
		call_ok("sandbox.touch", by_name("f"));
		assert_true(sandbox_is("f", "running"));
	}
	host_wait(is_frozen, "f");
	call_fail("sandbox.touch", by_name("f"), "state");
	rm("f");
	assert_nothing_left();
}

static void what_is_paused_stays_so(void **state)
{
	call_ok("sandbox.create", idle("f", 170, 1000, "rm"));
	call_ok("sandbox.pause", by_name("f"));
	poll(NULL, 0, 2000);
	assert_true(sandbox_is("f", "paused"));
	call_ok("sandbox.resume", by_name("f"));
	poll(NULL, 0, 500);
	assert_true(sandbox_is("f", "running"));
	host_wait(is_gone, "f");
	assert_nothing_left();
}

static void one_that_cannot_be_frozen_runs_on(void **state)
{
	call_ok("sandbox.create", idle("f", 180, 1000, NULL));
	poll(NULL, 0, 3500);
	assert_true(sandbox_is("f", "running"));
	call_ok("exec.list", by_name("f"));
	rm("f");
	assert_nothing_left();
}

static void forks_and_runners_keep_it(void **state)
{
	call_ok("sandbox.create", idle("f", 170, 3000, NULL));
	fork_drop("f", 1);
	assert_string_equal(sandbox_text("f-1", "idle_timeout_ms"), "3000");
	host_end(SIGKILL);
	assert_null(host_start());
	assert_string_equal(sandbox_text("f", "idle_timeout_ms"), "3000");
	host_wait(is_frozen, "f");
	host_wait(is_frozen, "f-1");
	rm("f");
	rm("f-1");
	assert_nothing_left();
}

static void wrong_ones_are_refused(void **state)
{
	call_fail("sandbox.create", idle("f", 170, 10, NULL), "usage");
	call_fail("sandbox.create", idle("f", 170, 1000, "melt"), "usage");
	call_fail("sandbox.create", json_pack("{s:s, s:s}", "name", "f",
					      "on_idle", "rm"), "usage");
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_one_is_frozen),
		cmocka_unit_test(or_removed),
		cmocka_unit_test(touch_is_use),
		cmocka_unit_test(what_is_paused_stays_so),
		cmocka_unit_test(one_that_cannot_be_frozen_runs_on),
		cmocka_unit_test(forks_and_runners_keep_it),
		cmocka_unit_test(wrong_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
