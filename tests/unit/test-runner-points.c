/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-points.c - points of forks, views of them, the log
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

/* The member @key of sandbox.origin; static storage. */
static const char *origin(const char *name, const char *with, const char *key)
{
	static char text[4][64];
	static int turn;
	char *p = text[turn++ % 4];
	json_t *params = by_name(name), *o;
	struct conn c;

	if (with)
		json_object_set_new(params, "with", json_string(with));
	conn_open(&c, false);
	o = conn_ok(&c, "sandbox.origin", params);
	snprintf(p, sizeof(text[0]), "%s", text_of(o, key));
	json_decref(o);
	conn_close(&c);
	return p;
}

static int points(void)
{
	return host_count("data/podflare/points");
}

static bool has_points(void *n)
{
	return points() == *(int *)n;
}

static void wait_points(int n)
{
	host_wait(has_points, &n);
}

static void origins_and_what_is_common(void **state)
{
	char first[64], second[64];

	create("a", 170);
	assert_string_equal(origin("a", NULL, "kind"), "image");
	fork_drop("a", 2);	/* a-1, a-2 */
	snprintf(first, sizeof(first), "%s", origin("a-1", NULL, "point"));
	assert_string_equal(origin("a-1", NULL, "kind"), "fork");
	assert_string_equal(origin("a-1", NULL, "parent_name"), "a");
	assert_string_equal(origin("a-2", NULL, "point"), first);
	assert_string_equal(origin("a-1", "a-2", "point"), first);
	assert_string_equal(origin("a", "a-2", "point"), first);
	assert_string_equal(origin("a-2", "a", "point"), first);
	fork_drop("a", 1);	/* a-3 */
	snprintf(second, sizeof(second), "%s", origin("a-3", NULL, "point"));
	assert_string_not_equal(first, second);
	assert_string_equal(origin("a", "a-3", "point"), second);
	assert_string_equal(origin("a-1", "a-3", "point"), first);
	fork_drop("a-1", 1);	/* a-1-1 */
	assert_string_equal(origin("a-1-1", "a-3", "point"), first);
	assert_string_equal(origin("a-1-1", "a-1", "point"),
			    origin("a-1-1", NULL, "point"));
	assert_int_equal(points(), 3);
	create("b", 170);
	assert_string_equal(origin("a-1", "b", "kind"), "image");
	rm("b");
	/* a-1-1 and a still have the first in common */
	rm("a-1");
	rm("a-2");
	assert_string_equal(origin("a-1-1", "a", "point"), first);
	wait_points(3);
	rm("a-3");
	wait_points(2);
	rm("a");
	wait_points(1);
	rm("a-1-1");
	assert_nothing_left();
}

static void points_that_nobody_needs_go(void **state)
{
	create("a", 170);
	for (int i = 0; i < 10; i++) {
		fork_drop("a", 1);
		wait_points(1);
		rm("a-1");
		wait_points(0);
	}
	fork_drop("a", 1);
	fork_drop("a-1", 1);
	fork_drop("a-1-1", 1);
	wait_points(3);
	rm("a-1-1");	/* where a-1-1-1 came from */
	rm("a-1");
	rm("a");
	wait_points(1);
	assert_string_equal(origin("a-1-1-1", NULL, "parent_name"), "a-1-1");
	rm("a-1-1-1");
	assert_nothing_left();
}

static void a_view_lives_as_long_as_its_connection(void **state)
{
	char point[64], id[64];
	struct conn c, d;
	json_t *r;

	create("a", 170);
	fork_drop("a", 1);
	snprintf(point, sizeof(point), "%s", origin("a-1", NULL, "point"));
	conn_open(&c, false);
	conn_open(&d, false);
	r = conn_ok(&c, "sandbox.view", json_pack("{s:s}", "point", point));
	snprintf(id, sizeof(id), "%s", text_of(r, "sandbox"));
	json_decref(r);
	r = conn_ok(&d, "files.stat", json_pack("{s:s, s:s}", "sandbox", id,
						"path", "/x"));
	json_decref(r);
	assert_string_equal(sandbox_text(id, "id"), "");	/* not listed */
	assert_int_equal(host_vmms(), 4);
	conn_close(&c);
	while (host_vmms() != 3)
		poll(NULL, 0, 5);
	json_decref(conn_fail(&d, "files.stat",
			      json_pack("{s:s, s:s}", "sandbox", id, "path",
					"/x"), "not_found"));
	json_decref(conn_fail(&d, "sandbox.view",
			      json_pack("{s:s}", "point", "nosuch"),
			      "not_found"));
	conn_close(&d);
	rm("a");
	rm("a-1");
	assert_nothing_left();
}

static void a_client_that_goes_away_undoes_its_view(void **state)
{
	struct conn c;
	char point[64];

	create("a", 170);
	fork_drop("a", 1);
	snprintf(point, sizeof(point), "%s", origin("a-1", NULL, "point"));
	for (int i = 0; i < 10; i++) {
		conn_open(&c, false);
		conn_request(&c, "sandbox.view", json_pack("{s:s}", "point",
							   point));
		poll(NULL, 0, i);
		conn_close(&c);
	}
	while (host_vmms() != 3)
		poll(NULL, 0, 5);
	wait_points(1);
	rm("a");
	rm("a-1");
	assert_nothing_left();
}

/* A copy of what lies in files: what it is made of stays there. */
static void a_view_of(const char *kind, const char *name)
{
	char id[64];
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_ok(&c, "sandbox.view", json_pack("{s:s}", kind, name));
	snprintf(id, sizeof(id), "%s", text_of(r, "sandbox"));
	json_decref(r);
	assert_int_equal(host_vmms(), 1);
	call_ok("files.stat", json_pack("{s:s, s:s}", "sandbox", id, "path",
					"/x"));
	conn_close(&c);
	while (host_vmms() != 0)
		poll(NULL, 0, 5);
	wait_points(0);
}

static void what_lies_in_files_is_looked_at_where_it_is(void **state)
{
	create("a", 170);
	call_ok("snapshot.create", json_pack("{s:s, s:s}", "sandbox", "a",
					     "name", "s"));
	call_fail("sandbox.view", json_pack("{s:s}", "sandbox", "a"), "state");
	call_ok("sandbox.freeze", by_name("a"));
	a_view_of("sandbox", "a");
	assert_true(sandbox_is("a", "frozen"));
	a_view_of("snapshot", "s");
	call_fail("sandbox.view", json_pack("{s:s}", "sandbox", "nosuch"),
		  "not_found");
	call_fail("sandbox.view", json_pack("{s:s}", "snapshot", "nosuch"),
		  "not_found");
	call_fail("sandbox.view", NULL, "usage");
	call_fail("sandbox.view", json_pack("{s:s, s:s}", "snapshot", "s",
					    "sandbox", "a"), "usage");
	call_ok("exec.list", by_name("a"));
	assert_true(sandbox_is("a", "running"));
	call_ok("snapshot.rm", json_pack("{s:s}", "snapshot", "s"));
	rm("a");
	assert_nothing_left();
}

static void a_frozen_one_is_thawed_and_looked_at_at_once(void **state)
{
	struct conn c[3];

	create("a", 170);
	for (int i = 0; i < 10; i++) {
		call_ok("sandbox.freeze", by_name("a"));
		for (size_t k = 0; k < ARRAY_SIZE(c); k++) {
			conn_open(&c[k], false);
			conn_request(&c[k], "sandbox.view",
				     json_pack("{s:s}", "sandbox", "a"));
		}
		poll(NULL, 0, i);
		call_ok("exec.list", by_name("a"));
		assert_true(sandbox_is("a", "running"));
		for (size_t k = 0; k < ARRAY_SIZE(c); k++)
			conn_close(&c[k]);
		while (host_vmms() != 1)
			poll(NULL, 0, 5);
		wait_points(0);
	}
	rm("a");
	assert_nothing_left();
}

static void origin_of_a_snapshots_copy(void **state)
{
	create("a", 170);
	call_ok("snapshot.create", json_pack("{s:s, s:s}", "sandbox", "a",
					     "name", "s"));
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "b", "from",
					    "s"));
	assert_string_equal(origin("b", NULL, "kind"), "snapshot");
	assert_string_equal(origin("b", NULL, "snapshot_name"), "s");
	call_ok("snapshot.rm", json_pack("{s:s}", "snapshot", "s"));
	call_fail("sandbox.view", json_pack("{s:s}", "snapshot",
					    origin("b", NULL, "snapshot")),
		  "not_found");
	rm("a");
	rm("b");
	assert_nothing_left();
}

/* A snapshot is on the way of both, before and behind forks. */
static void a_snapshot_is_what_is_common(void **state)
{
	char first[64];

	create("a", 170);
	fork_drop("a", 1);
	snprintf(first, sizeof(first), "%s", origin("a-1", NULL, "point"));
	call_ok("snapshot.create", json_pack("{s:s, s:s}", "sandbox", "a",
					     "name", "s"));
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "b", "from",
					    "s"));
	assert_string_equal(origin("a", "b", "snapshot_name"), "s");
	assert_string_equal(origin("b", "a-1", "point"), first);
	fork_drop("a", 1);
	assert_string_equal(origin("a-2", "b", "snapshot_name"), "s");
	/* it stays known to the next runner */
	host_end(SIGKILL);
	assert_null(host_start());
	assert_string_equal(origin("b", "a-2", "snapshot_name"), "s");
	assert_string_equal(origin("b", "a-1", "point"), first);
	/* back to it: what came behind is on the way no more */
	assert_string_equal(origin("a", "a-2", "kind"), "fork");
	call_ok("sandbox.reset", json_pack("{s:s, s:s, s:b}", "sandbox", "a",
					   "snapshot", "s", "safety", 0));
	assert_string_equal(origin("a", "a-2", "snapshot_name"), "s");
	/* without it there is what was before it */
	call_ok("snapshot.rm", json_pack("{s:s}", "snapshot", "s"));
	assert_string_equal(origin("b", "a-2", "point"), first);
	assert_string_equal(origin("a", "b", "point"), first);
	rm("a-2");
	rm("a-1");
	rm("a");
	rm("b");
	assert_nothing_left();
}

/* The pid of the process whose folder is the only one of points/. */
static int point_pid(const char *point)
{
	FILE *f = fopen(host_path("data/podflare/points/%s/vmm.pid", point),
			"re");
	int pid = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static void a_point_that_was_killed_is_not_there(void **state)
{
	char point[64];

	create("a", 170);
	fork_drop("a", 1);
	snprintf(point, sizeof(point), "%s", origin("a-1", NULL, "point"));
	kill(point_pid(point), SIGKILL);
	while (host_vmms() != 2)
		poll(NULL, 0, 5);
	call_fail("sandbox.view", json_pack("{s:s}", "point", point),
		  "not_found");
	/* it is known still */
	assert_string_equal(origin("a", "a-1", "point"), point);
	call_ok("exec.list", by_name("a-1"));
	rm("a");
	rm("a-1");
	assert_nothing_left();
}

static void forks_survive_a_killed_runner(void **state)
{
	char point[64];

	create("a", 170);
	fork_drop("a", 2);
	fork_drop("a-1", 1);
	snprintf(point, sizeof(point), "%s", origin("a-1", "a-2", "point"));
	host_end(SIGKILL);
	assert_int_equal(host_vmms(), 6);
	assert_null(host_start());
	assert_int_equal(host_vmms(), 6);
	assert_true(sandbox_is("a", "running"));
	assert_true(sandbox_is("a-1-1", "running"));
	assert_string_equal(origin("a-1", "a-2", "point"), point);
	assert_string_equal(origin("a-1-1", "a-2", "point"), point);
	call_ok("exec.list", by_name("a-2"));
	fork_drop("a-2", 1);
	/* one is lost while nobody looks */
	host_end(SIGKILL);
	kill(point_pid(point), SIGKILL);
	assert_null(host_start());
	call_fail("sandbox.view", json_pack("{s:s}", "point", point),
		  "not_found");
	rm("a");
	rm("a-1");
	rm("a-1-1");
	rm("a-2");
	rm("a-2-1");
	assert_nothing_left();
}

/* Killed at any time of a fork: what was acknowledged is there, what is half
 * made is not, and nothing is left of it. */
static void a_runner_that_is_killed_while_it_forks(void **state)
{
	struct conn c;
	int n;

	create("a", 170);
	for (int i = 0; i < 25; i++) {
		conn_open(&c, false);
		conn_request(&c, "sandbox.fork", of_n("a", 5));
		poll(NULL, 0, i);
		host_end(SIGKILL);
		conn_close(&c);
		assert_null(host_start());
		assert_true(sandbox_is("a", "running"));
		n = host_count("data/podflare/sandboxes") - 1;
		assert_in_range(n, 0, 5);
		for (int k = 1; k <= 5; k++) {
			char name[16];

			snprintf(name, sizeof(name), "a-%d", k);
			if (!*sandbox_text(name, "id"))
				continue;
			call_ok("exec.list", by_name(name));
			rm(name);
		}
		host_wait(one_left, NULL);
	}
	call_ok("exec.list", by_name("a"));
	rm("a");
	assert_nothing_left();
}

static void a_shutdown_stops_what_was_forked(void **state)
{
	create("a", 170);
	fork_drop("a", 1);
	call_ok("runner.shutdown", NULL);
	host_end(0);
	assert_int_equal(host_vmms(), 0);
	assert_null(host_start());
	assert_true(sandbox_is("a", "stopped"));
	assert_true(sandbox_is("a-1", "stopped"));
	call_ok("exec.list", by_name("a-1"));
	assert_string_equal(origin("a-1", NULL, "kind"), "fork");
	call_fail("sandbox.view", json_pack("{s:s}", "point",
					    origin("a-1", NULL, "point")),
		  "not_found");
	fork_drop("a-1", 1);
	rm("a");
	rm("a-1");
	rm("a-1-1");
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origins_and_what_is_common),
		cmocka_unit_test(what_lies_in_files_is_looked_at_where_it_is),
		cmocka_unit_test(a_frozen_one_is_thawed_and_looked_at_at_once),
		cmocka_unit_test(origin_of_a_snapshots_copy),
		cmocka_unit_test(a_snapshot_is_what_is_common),
		cmocka_unit_test(points_that_nobody_needs_go),
		cmocka_unit_test(a_view_lives_as_long_as_its_connection),
		cmocka_unit_test(a_client_that_goes_away_undoes_its_view),
		cmocka_unit_test(a_point_that_was_killed_is_not_there),
		cmocka_unit_test(forks_survive_a_killed_runner),
		cmocka_unit_test(a_runner_that_is_killed_while_it_forks),
		cmocka_unit_test(a_shutdown_stops_what_was_forked),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
