/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-fork.c - sandbox.fork, with VMMs that are played
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

static void one_child_runs_and_says_where_it_came_from(void **state)
{
	json_t *r, *sb, *origin;
	char pid[32];

	create("a", 170);
	snprintf(pid, sizeof(pid), "%s", sandbox_text("a", "pid"));
	r = fork_ok("a", 1);
	sb = child(r, 0);
	assert_string_equal(text_of(sb, "name"), "a-1");
	assert_string_equal(text_of(sb, "state"), "running");
	assert_int_equal(json_integer_value(json_object_get(sb, "memory")),
			 MIB_(170));
	origin = json_object_get(sb, "origin");
	assert_string_equal(text_of(origin, "how"), "fork");
	assert_string_equal(text_of(origin, "parent_name"), "a");
	assert_string_equal(text_of(origin, "parent"), sandbox_text("a", "id"));
	assert_int_equal(json_array_size(json_object_get(origin, "steps")), 4);
	assert_int_equal(json_array_size(json_object_get(r, "steps")), 5);
	assert_true(json_real_value(json_object_get(r, "pause_ms")) == 1.0);
	json_decref(r);
	assert_true(sandbox_is("a", "running"));
	assert_string_equal(sandbox_text("a", "pid"), pid);
	/* the parent, the child, and the point */
	assert_int_equal(host_vmms(), 3);
	call_ok("exec.list", by_name("a"));
	call_ok("exec.list", by_name("a-1"));
	rm("a");
	call_ok("exec.list", by_name("a-1"));
	assert_int_equal(host_vmms(), 2);
	rm("a-1");
	assert_nothing_left();
}

static void a_child_has_links_to_the_layers_and_one_of_its_own(void **state)
{
	struct stat a, b;
	char id[16], kid[16];
	json_t *r;

	create("a", 170);
	snprintf(id, sizeof(id), "%s", sandbox_text("a", "id"));
	r = fork_ok("a", 1);
	snprintf(kid, sizeof(kid), "%s", text_of(child(r, 0), "id"));
	json_decref(r);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.000.cow", id), &a), 0);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.000.cow", kid), &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_nlink, 3);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.001.cow", id), &a), 0);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.001.cow", kid), &b), 0);
	assert_int_not_equal(a.st_ino, b.st_ino);
	rm("a");
	rm("a-1");
	assert_nothing_left();
}

static void an_untouched_top_stays_the_parents_alone(void **state)
{
	struct stat st;
	char id[16], kid[16];
	json_t *r;

	create("a", 160);
	snprintf(id, sizeof(id), "%s", sandbox_text("a", "id"));
	r = fork_ok("a", 2);
	snprintf(kid, sizeof(kid), "%s", text_of(child(r, 1), "id"));
	json_decref(r);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.000.cow", id), &st), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.001.cow", id), &st), -1);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.000.cow", kid), &st), -1);
	assert_int_equal(stat(host_path("data/podflare/sandboxes/%s/"
					"disk.001.cow", kid), &st), 0);
	rm("a");
	rm("a-1");
	rm("a-2");
	assert_nothing_left();
}

static void names_are_as_asked_or_follow_from_the_parents(void **state)
{
	json_t *r;
	struct conn c;

	create("a", 170);
	conn_open(&c, false);
	r = conn_ok(&c, "sandbox.fork", json_pack("{s:s, s:s}", "sandbox", "a",
						  "name", "b"));
	assert_string_equal(text_of(child(r, 0), "name"), "b");
	json_decref(r);
	r = conn_ok(&c, "sandbox.fork",
		    json_pack("{s:s, s:s, s:i, s:{s:s}, s:{s:s}}", "sandbox",
			      "a", "name", "p", "n", 2, "env", "K", "v",
			      "labels", "l", "m"));
	assert_string_equal(text_of(child(r, 0), "name"), "p-1");
	assert_string_equal(text_of(child(r, 1), "name"), "p-2");
	assert_string_equal(text_of(json_object_get(child(r, 1), "env"), "K"),
			    "v");
	assert_string_equal(text_of(json_object_get(child(r, 1), "labels"),
				    "l"), "m");
	json_decref(r);
	conn_close(&c);
	fork_drop("a", 2);
	fork_drop("a", 1);
	assert_true(sandbox_is("a-3", "running"));
	fork_drop("a-3", 1);
	assert_true(sandbox_is("a-3-1", "running"));
	fork_fails(json_pack("{s:s, s:s}", "sandbox", "a", "name", "b"),
		   "exists");
	fork_fails(json_pack("{s:s, s:s, s:i}", "sandbox", "a", "name", "p",
			     "n", 3), "exists");
	fork_fails(json_pack("{s:s, s:s}", "sandbox", "a", "name", "../x"),
		   "usage");
	call_fail("sandbox.show", by_name("p-3"), "not_found");
	rm("a");
	rm("b");
	rm("p-1");
	rm("p-2");
	rm("a-1");
	rm("a-2");
	rm("a-3");
	rm("a-3-1");
	assert_nothing_left();
}

static void a_bad_number_is_refused(void **state)
{
	create("a", 170);
	fork_fails(of_n("a", 0), "usage");
	fork_fails(of_n("a", -1), "usage");
	fork_fails(of_n("a", 10000), "usage");
	fork_fails(of_n("nosuch", 1), "not_found");
	fork_fails(json_pack("{s:s, s:{s:s}}", "sandbox", "a", "env", "A=B",
			     "x"), "usage");
	assert_int_equal(host_vmms(), 1);
	rm("a");
	assert_nothing_left();
}

static void only_a_running_sandbox_is_forked(void **state)
{
	struct conn c;

	create("a", 170);
	call_ok("sandbox.pause", by_name("a"));
	assert_non_null(strstr(fork_fails(of_n("a", 1), "state"), "paused"));
	call_ok("sandbox.resume", by_name("a"));
	kill(atoi(sandbox_text("a", "pid")), SIGKILL);
	while (!sandbox_is("a", "failed"))
		poll(NULL, 0, 5);
	assert_non_null(strstr(fork_fails(of_n("a", 1), "state"), "failed"));
	rm("a");
	create("s", 170);
	kill(atoi(sandbox_text("s", "pid")), SIGTERM);
	while (!sandbox_is("s", "stopped"))
		poll(NULL, 0, 5);
	assert_non_null(strstr(fork_fails(of_n("s", 1), "state"), "stopped"));
	call_ok("exec.list", by_name("s"));
	fork_drop("s", 1);
	rm("s");
	rm("s-1");
	conn_open(&c, false);
	conn_request(&c, "sandbox.create", json_pack("{s:s, s:I}", "name", "c",
						     "memory", MIB_(142)));
	while (!sandbox_is("c", "creating"))
		poll(NULL, 0, 5);
	assert_non_null(strstr(fork_fails(of_n("c", 1), "state"), "being created"));
	json_decref(conn_reply(&c, c.id));
	conn_close(&c);
	rm("c");
	assert_nothing_left();
}

/* Return: field 4 of its stat, 0: it is gone. */
static int parent_of(int pid)
{
	char path[64];
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

/* An init that does not reap is common in containers. */
static void a_copy_whose_parent_is_gone_is_reaped(void **state)
{
	int pid;

	create("a", 170);
	fork_drop("a", 1);
	pid = atoi(sandbox_text("a-1", "pid"));
	rm("a");
	while (parent_of(pid) != host_runner)
		poll(NULL, 0, 5);
	rm("a-1");
	assert_int_equal(parent_of(pid), 0);
	assert_nothing_left();
}

static void twenty_levels(void **state)
{
	char name[64] = "a", next[64];
	int i;

	create("a", 170);
	for (i = 0; i < 20; i++) {
		struct conn c;

		snprintf(next, sizeof(next), "l%d", i);
		conn_open(&c, false);
		json_decref(conn_ok(&c, "sandbox.fork",
				    json_pack("{s:s, s:s}", "sandbox", name,
					      "name", next)));
		conn_close(&c);
		strcpy(name, next);
	}
	call_ok("exec.list", by_name("l19"));
	rm("a");
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		rm(name);
	}
	assert_nothing_left();
}

static void a_hundred_copies(void **state)
{
	char name[16];
	json_t *r;

	create("a", 170);
	r = fork_ok("a", 100);
	assert_int_equal(json_array_size(json_object_get(r, "children")), 100);
	for (size_t i = 0; i < 100; i++)
		assert_string_equal(text_of(child(r, i), "state"), "running");
	json_decref(r);
	assert_int_equal(host_vmms(), 102);
	call_ok("exec.list", by_name("a-100"));
	rm("a");
	for (int i = 1; i <= 100; i++) {
		snprintf(name, sizeof(name), "a-%d", i);
		rm(name);
	}
	assert_nothing_left();
}

static void forks_of_one_sandbox_take_turns(void **state)
{
	struct conn c[10];
	json_t *r;
	char name[16];

	create("a", 170);
	for (int i = 0; i < 10; i++) {
		conn_open(&c[i], false);
		conn_request(&c[i], "sandbox.fork", of_n("a", 1));
	}
	for (int i = 0; i < 10; i++) {
		r = conn_reply(&c[i], c[i].id);
		assert_non_null(json_object_get(r, "result"));
		json_decref(r);
		conn_close(&c[i]);
	}
	rm("a");
	for (int i = 1; i <= 10; i++) {
		snprintf(name, sizeof(name), "a-%d", i);
		rm(name);
	}
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_child_runs_and_says_where_it_came_from),
		cmocka_unit_test(
			a_child_has_links_to_the_layers_and_one_of_its_own),
		cmocka_unit_test(an_untouched_top_stays_the_parents_alone),
		cmocka_unit_test(names_are_as_asked_or_follow_from_the_parents),
		cmocka_unit_test(a_bad_number_is_refused),
		cmocka_unit_test(only_a_running_sandbox_is_forked),
		cmocka_unit_test(a_copy_whose_parent_is_gone_is_reaped),
		cmocka_unit_test(twenty_levels),
		cmocka_unit_test(a_hundred_copies),
		cmocka_unit_test(forks_of_one_sandbox_take_turns),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
