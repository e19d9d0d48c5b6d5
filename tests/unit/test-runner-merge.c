/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-merge.c - sandbox.merge, and the log of it all
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

static json_t *pair(const char *parent, const char *with)
{
	return json_pack("{s:s, s:s}", "parent", parent, "child", with);
}

static json_t *forced(const char *parent, const char *with)
{
	return json_pack("{s:s, s:s, s:b}", "parent", parent, "child", with,
			 "force", 1);
}

/* The member as text; static storage of its own for a few of them. */
static const char *text(const char *name, const char *key)
{
	static char out[16][128];
	static int turn;
	char *p = out[turn++ % 16];

	snprintf(p, sizeof(out[0]), "%s", sandbox_text(name, key));
	return p;
}

/* The error's message; static storage. */
static const char *merge_fails(json_t *params, const char *code)
{
	static char out[1024];
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	e = conn_fail(&c, "sandbox.merge", params, code);
	snprintf(out, sizeof(out), "%s", text_of(e, "message"));
	json_decref(e);
	conn_close(&c);
	return out;
}

static bool folders_are(void *n)
{
	return host_count("data/podflare/sandboxes") == *(int *)n;
}

static void the_parent_becomes_the_child(void **state)
{
	const char *id, *pid;
	int two = 2;

	create("a", 170);
	fork_drop("a", 2);
	id = text("a", "id");
	pid = text("a-1", "pid");
	call_ok("sandbox.merge", pair("a", "a-1"));
	assert_string_equal(text("a", "id"), id);
	assert_string_equal(text("a", "pid"), pid);
	assert_string_equal(text("a-1", "id"), "");
	call_ok("exec.list", by_name("a"));
	call_ok("exec.list", by_name("a-2"));
	host_wait(folders_are, &two);
	assert_int_equal(host_vmms(), 3);	/* one is the point */
	/* it is found by its socket */
	host_end(SIGKILL);
	assert_null(host_start());
	assert_true(sandbox_is("a", "running"));
	assert_string_equal(text("a", "pid"), pid);
	assert_string_equal(text("a", "id"), id);
	call_ok("exec.list", by_name("a"));
	call_ok("sandbox.merge", pair("a", "a-2"));
	call_ok("exec.list", by_name("a"));
	rm("a");
	assert_nothing_left();
}

static void what_cannot_be_merged(void **state)
{
	create("a", 170);
	create("b", 170);
	fork_drop("a", 1);
	assert_non_null(strstr(merge_fails(pair("a", "a"), "usage"),
			       "itself"));
	assert_non_null(strstr(merge_fails(pair("a", "b"), "state"),
			       "does not come from"));
	/* the other way round */
	merge_fails(pair("a-1", "a"), "state");
	merge_fails(pair("a", "nosuch"), "not_found");
	merge_fails(pair("nosuch", "a"), "not_found");
	call_ok("sandbox.pause", by_name("a-1"));
	assert_non_null(strstr(merge_fails(pair("a", "a-1"), "state"),
			       "paused"));
	call_ok("sandbox.resume", by_name("a-1"));
	call_ok("sandbox.pause", by_name("a"));
	merge_fails(pair("a", "a-1"), "state");
	call_ok("sandbox.resume", by_name("a"));
	kill(atoi(sandbox_text("a-1", "pid")), SIGKILL);
	while (!sandbox_is("a-1", "failed"))
		poll(NULL, 0, 5);
	merge_fails(pair("a", "a-1"), "state");
	merge_fails(forced("a", "a-1"), "state");
	assert_true(sandbox_is("a", "running"));
	call_ok("exec.list", by_name("a"));
	rm("a");
	rm("a-1");
	rm("b");
	assert_nothing_left();
}

static void force_takes_anybody(void **state)
{
	const char *id, *pid;

	create("a", 170);
	create("b", 170);
	id = text("a", "id");
	pid = text("b", "pid");
	call_ok("sandbox.merge", forced("a", "b"));
	assert_string_equal(text("a", "id"), id);
	assert_string_equal(text("a", "pid"), pid);
	fork_drop("a", 1);
	kill(atoi(sandbox_text("a", "pid")), SIGKILL);
	while (!sandbox_is("a", "failed"))
		poll(NULL, 0, 5);
	merge_fails(pair("a", "a-1"), "state");
	call_ok("sandbox.merge", forced("a", "a-1"));
	call_ok("exec.list", by_name("a"));
	rm("a");
	assert_nothing_left();
}

static void stopped_ones_are_merged_by_their_disks(void **state)
{
	const char *id;
	char path[128];
	struct stat st;
	ino_t ino;

	create("a", 170);
	fork_drop("a", 1);
	id = text("a", "id");
	snprintf(path, sizeof(path), "data/podflare/sandboxes/%s/disk.001.cow",
		 text("a-1", "id"));
	assert_int_equal(stat(host_path("%s", path), &st), 0);
	ino = st.st_ino;
	kill(atoi(sandbox_text("a-1", "pid")), SIGTERM);
	while (!sandbox_is("a-1", "stopped"))
		poll(NULL, 0, 5);
	call_ok("sandbox.merge", pair("a", "a-1"));
	assert_true(sandbox_is("a", "stopped"));
	snprintf(path, sizeof(path), "data/podflare/sandboxes/%s/disk.001.cow",
		 id);
	assert_int_equal(stat(host_path("%s", path), &st), 0);
	assert_int_equal(st.st_ino, ino);
	call_ok("exec.list", by_name("a"));
	rm("a");
	assert_nothing_left();
}

static void frozen_ones_are_merged_as_they_are(void **state)
{
	const char *id;

	create("a", 170);
	fork_drop("a", 3);
	id = text("a", "id");
	call_ok("sandbox.freeze", by_name("a-1"));
	call_ok("sandbox.merge", pair("a", "a-1"));
	assert_true(sandbox_is("a", "frozen"));
	assert_string_equal(text("a", "id"), id);
	/* its memory is had from where it lies now, by another runner, too */
	host_end(SIGKILL);
	assert_null(host_start());
	assert_true(sandbox_is("a", "frozen"));
	call_ok("exec.list", by_name("a"));
	assert_true(sandbox_is("a", "running"));
	/* a frozen loser */
	call_ok("sandbox.freeze", by_name("a"));
	call_ok("sandbox.merge", pair("a", "a-2"));
	assert_true(sandbox_is("a", "running"));
	assert_string_equal(text("a", "id"), id);
	/* both */
	call_ok("sandbox.freeze", by_name("a"));
	call_ok("sandbox.freeze", by_name("a-3"));
	call_ok("sandbox.merge", pair("a", "a-3"));
	assert_true(sandbox_is("a", "frozen"));
	call_ok("exec.list", by_name("a"));
	rm("a");
	assert_nothing_left();
}

/* Killed at any time: afterwards there is one of the two states. */
static void a_runner_that_is_killed_while_it_merges(void **state)
{
	int merged = 0, not_merged = 0, two = 2, one = 1;

	for (int i = 0; i < 40; i++) {
		const char *id, *pid, *old;
		struct conn c;

		create("a", 170);
		fork_drop("a", 1);
		id = text("a", "id");
		old = text("a", "pid");
		pid = text("a-1", "pid");
		conn_open(&c, false);
		conn_request(&c, "sandbox.merge", pair("a", "a-1"));
		usleep((useconds_t)i * 150);
		host_end(SIGKILL);
		conn_close(&c);
		assert_null(host_start());
		assert_true(sandbox_is("a", "running"));
		assert_string_equal(text("a", "id"), id);
		call_ok("exec.list", by_name("a"));
		if (strcmp(text("a", "pid"), pid) == 0) {
			merged++;
			assert_string_equal(text("a-1", "id"), "");
			host_wait(folders_are, &one);
		} else {
			not_merged++;
			assert_string_equal(text("a", "pid"), old);
			assert_string_equal(text("a-1", "pid"), pid);
			call_ok("exec.list", by_name("a-1"));
			host_wait(folders_are, &two);
			rm("a-1");
		}
		rm("a");
		assert_nothing_left();
	}
	print_message("merged %d times, not %d times\n", merged, not_merged);
}

/* A folder as a killed runner leaves it, with nothing of the rest done. */
static void a_merge_that_was_only_written_is_completed(void **state)
{
	char from[128], cmd[512];
	const char *id, *kid, *pid;
	int one = 1;

	create("a", 170);
	fork_drop("a", 1);
	id = text("a", "id");
	kid = text("a-1", "id");
	pid = text("a-1", "pid");
	host_end(SIGKILL);
	snprintf(from, sizeof(from), "%s",
		 host_path("data/podflare/sandboxes/%s/meta.json", kid));
	snprintf(cmd, sizeof(cmd), "sed -i 's/\"id\": \"%s\"/\"id\": \"%s\"/; "
		 "s/\"name\": \"a-1\"/\"name\": \"a\"/' %s", kid, id, from);
	assert_int_equal(system(cmd), 0);
	assert_null(host_start());
	assert_true(sandbox_is("a", "running"));
	assert_string_equal(text("a", "pid"), pid);
	assert_string_equal(text("a", "id"), id);
	call_ok("exec.list", by_name("a"));
	host_wait(folders_are, &one);
	rm("a");
	assert_nothing_left();
}

/* The events of sandbox.log as "what name[ parent_name], ..." */
static const char *log_of(const char *name)
{
	static char out[65536];
	json_t *r, *e;
	struct conn c;
	size_t i, n = 0;

	conn_open(&c, false);
	r = conn_ok(&c, "sandbox.log", name ? by_name(name) : NULL);
	out[0] = '\0';
	json_array_foreach(json_object_get(r, "events"), i, e)
		if (n < sizeof(out) - 200)
			n += (size_t)snprintf(
				out + n, sizeof(out) - n, "%s%s %s%s%s",
				i ? ", " : "", text_of(e, "what"),
				text_of(e, "name"),
				*text_of(e, "parent_name") ? " " : "",
				text_of(e, "parent_name"));
	json_decref(r);
	conn_close(&c);
	return out;
}

static void the_log_tells_what_happened(void **state)
{
	create("p", 170);
	create("q", 170);
	fork_drop("p", 2);
	fork_drop("p-1", 1);
	call_ok("sandbox.merge", pair("p", "p-2"));
	rm("q");
	assert_string_equal(log_of("q"), "create q, rm q");
	assert_string_equal(log_of("p-1-1"), "create p, fork p-1 p, "
			    "fork p-1-1 p-1");
	host_end(SIGKILL);
	assert_null(host_start());
	assert_string_equal(log_of("p"), "create p, fork p-1 p, fork p-2 p, "
			    "merge p-2 p");
	rm("p-1");
	assert_string_equal(log_of("p-1"), "create p, fork p-1 p, "
			    "fork p-1-1 p-1, rm p-1");
	rm("p-1-1");
	rm("p");
	assert_non_null(strstr(log_of(NULL), "merge p-2 p, rm q, rm p-1, "
			       "rm p-1-1, rm p"));
	call_fail("sandbox.log", by_name("nosuch"), "not_found");
	assert_nothing_left();
}

static json_t *merged(const char *name, const char *one, const char *two)
{
	return json_pack("{s:s, s:[s, s]}", "sandbox", name, "children", one,
			 two);
}

static void files_that_were_merged_are_in_the_log(void **state)
{
	create("m", 170);
	create("n", 170);
	fork_drop("m", 2);
	call_fail("sandbox.merged", merged("m", "m-1", "nosuch"), "not_found");
	call_fail("sandbox.merged", merged("nosuch", "m-1", "m-2"),
		  "not_found");
	call_fail("sandbox.merged", merged("m", "m-1", "m"), "usage");
	assert_string_equal(log_of("m"), "create m, fork m-1 m, fork m-2 m");
	call_ok("sandbox.merged", merged("m", "m-2", "n"));
	assert_string_equal(log_of("m"), "create m, create n, fork m-1 m, "
			    "fork m-2 m, merge-files m-2 m, merge-files n m");
	assert_string_equal(log_of("n"), "create m, create n, merge-files n m");
	rm("m");
	rm("m-1");
	rm("m-2");
	rm("n");
	assert_nothing_left();
}

static void a_damaged_log_is_read_as_far_as_possible(void **state)
{
	FILE *f = fopen(host_path("data/podflare/events.jsonl"), "ae");

	fputs("{\"time\": \"x\", \"wh", f);
	fclose(f);
	create("z", 170);
	rm("z");
	assert_string_equal(log_of("z"), "create z, rm z");
}

/* It is bounded: by two files, the older of which is replaced. */
static void a_long_log_loses_its_oldest_events(void **state)
{
	FILE *f = fopen(host_path("data/podflare/events.jsonl"), "ae");
	struct stat st;

	for (int i = 0; i < 16000; i++)
		fprintf(f, "{\"time\": \"2026-01-01T00:00:00Z\", \"what\": "
			"\"create\", \"sandbox\": \"%012d\", \"name\": "
			"\"n%d\", \"note\": \"............................"
			"......................\"}\n", i, i);
	fclose(f);
	create("z", 170);
	rm("z");
	assert_int_equal(stat(host_path("data/podflare/events.old.jsonl"),
			      &st), 0);
	assert_int_equal(stat(host_path("data/podflare/events.jsonl"), &st), 0);
	assert_true(st.st_size < 10000);
	assert_string_equal(log_of("n15999"), "create n15999");
	assert_string_equal(log_of("z"), "create z, rm z");
	log_of(NULL);	/* fits a line */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_parent_becomes_the_child),
		cmocka_unit_test(what_cannot_be_merged),
		cmocka_unit_test(force_takes_anybody),
		cmocka_unit_test(stopped_ones_are_merged_by_their_disks),
		cmocka_unit_test(frozen_ones_are_merged_as_they_are),
		cmocka_unit_test(a_runner_that_is_killed_while_it_merges),
		cmocka_unit_test(a_merge_that_was_only_written_is_completed),
		cmocka_unit_test(the_log_tells_what_happened),
		cmocka_unit_test(files_that_were_merged_are_in_the_log),
		cmocka_unit_test(a_damaged_log_is_read_as_far_as_possible),
		cmocka_unit_test(a_long_log_loses_its_oldest_events),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
