/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-fork-bad.c - sandbox.fork when something goes wrong
 */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

/* A file of the host's, with the folders on its way. */
static void write_host(const char *name, const char *text)
{
	char path[256];
	char *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s", host_path("root/%s", name));
	for (slash = path + strlen(host_path("root/")); *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void no_memory_is_known_before_anything_is_made(void **state)
{
	const char *text;
	FILE *f;

	create("a", 170);
	f = fopen(host_path("root/proc/meminfo"), "we");
	fputs("MemTotal: 1 kB\nMemAvailable:      20480 kB\n", f);
	fclose(f);
	fork_drop("a", 1);
	text = fork_fails(of_n("a", 20), "no_memory");
	assert_non_null(strstr(text, "20 copies"));
	assert_non_null(strstr(text, "20 MiB are available"));
	unlink(host_path("root/proc/meminfo"));
	/* as in a container of 30 MiB, 20 of which are in use and 4 are cache */
	write_host("proc/self/cgroup", "0::/box/inner\n");
	write_host("sys/fs/cgroup/box/memory.max", "31457280\n");
	write_host("sys/fs/cgroup/box/memory.current", "20971520\n");
	write_host("sys/fs/cgroup/box/memory.stat", "anon 1\nfile 2\n"
		   "inactive_file 4194304\nactive_file 3\n");
	write_host("sys/fs/cgroup/box/inner/memory.max", "max\n");
	text = fork_fails(of_n("a", 20), "no_memory");
	assert_non_null(strstr(text, "14 MiB are available"));
	write_host("proc/self/cgroup", "4:memory:/nosuch\n");
	write_host("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
	write_host("sys/fs/cgroup/memory/memory.stat",
		   "cache 1\nhierarchical_memory_limit 3145728\n");
	text = fork_fails(of_n("a", 20), "no_memory");
	assert_non_null(strstr(text, " 2 MiB are available"));
	unlink(host_path("root/proc/self/cgroup"));
	assert_int_equal(host_vmms(), 3);
	rm("a");
	rm("a-1");
	assert_nothing_left();
}

static void the_vmm_refuses(void **state)
{
	create("a", 150);
	assert_non_null(strstr(fork_fails(of_n("a", 3), "no_memory"),
			       "no memory for it"));
	assert_true(sandbox_is("a", "running"));
	call_ok("exec.list", by_name("a"));
	assert_int_equal(host_vmms(), 1);
	assert_int_equal(host_count("data/podflare/sandboxes"), 1);
	assert_int_equal(host_count("data/podflare/points"), 0);
	rm("a");
	assert_nothing_left();
}

static void one_child_fails_and_the_others_stand(void **state)
{
	json_t *r;

	create("a", 152);
	r = fork_ok("a", 3);
	assert_string_equal(child_error(r, 0), "");
	assert_string_equal(child_error(r, 1), "no_memory");
	assert_string_equal(child_error(r, 2), "");
	json_decref(r);
	assert_int_equal(host_count("data/podflare/sandboxes"), 3);
	call_fail("sandbox.show", by_name("a-2"), "not_found");
	call_ok("exec.list", by_name("a-3"));
	rm("a");
	rm("a-1");
	rm("a-3");
	assert_nothing_left();
}

static void one_child_dies_at_once(void **state)
{
	json_t *r;

	create("a", 154);
	r = fork_ok("a", 2);
	assert_string_not_equal(child_error(r, 0), "");
	assert_string_equal(child_error(r, 1), "");
	json_decref(r);
	call_ok("exec.list", by_name("a-2"));
	rm("a");
	rm("a-2");
	assert_nothing_left();
}

static void a_pid_that_is_not_the_childs_is_not_believed(void **state)
{
	json_t *r;

	create("a", 156);
	r = fork_ok("a", 2);
	assert_string_equal(child_error(r, 0), "protocol");
	assert_string_equal(child_error(r, 1), "");
	json_decref(r);
	assert_true(sandbox_is("a", "running"));
	rm("a");
	rm("a-2");
	assert_nothing_left();
}

static void the_vmm_never_answers(void **state)
{
	create("a", 158);
	fork_fails(of_n("a", 1), "timeout");
	assert_true(sandbox_is("a", "running"));
	rm("a");
	assert_nothing_left();
}

static void the_vmm_dies_in_the_middle(void **state)
{
	create("a", 162);
	fork_fails(of_n("a", 2), "unavailable");
	while (!sandbox_is("a", "failed"))
		poll(NULL, 0, 5);
	rm("a");
	assert_nothing_left();
}

static void the_answer_is_nonsense(void **state)
{
	create("a", 164);
	fork_fails(of_n("a", 2), "protocol");
	rm("a");
	assert_nothing_left();
}

static void without_a_point_the_copies_stand(void **state)
{
	json_t *r;

	create("a", 166);
	r = fork_ok("a", 2);
	assert_string_equal(child_error(r, 0), "");
	assert_string_equal(text_of(json_object_get(child(r, 0), "origin"),
				    "point"), "");
	json_decref(r);
	assert_int_equal(host_vmms(), 3);
	rm("a");
	rm("a-1");
	rm("a-2");
	assert_nothing_left();
}

static void a_copy_that_does_not_answer_is_no_copy(void **state)
{
	static const char *const names[] = {
		"hello-proto", "hello-type", "hello-huge", "hello-tlv",
		"hello-silent", "hello-close", "hello-error",
	};

	create("a", 170);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct conn c;

		conn_open(&c, false);
		json_decref(conn_reply(&c, conn_request(
			&c, "sandbox.fork", json_pack("{s:s, s:s}", "sandbox",
						      "a", "name", names[i]))));
		conn_close(&c);
		call_fail("sandbox.show", by_name(names[i]), "not_found");
		host_wait(one_left, NULL);
	}
	rm("a");
	assert_nothing_left();
}

static void a_guest_that_will_not_stand_still_is_not_forked(void **state)
{
	static const char *const names[] = { "lie-type", "lie-huge",
					     "lie-close", "lie-error" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		create(names[i], 170);
		fork_fails(json_pack("{s:s}", "sandbox", names[i]),
			   i < 2 ? "protocol" : "guest");
		assert_true(sandbox_is(names[i], "running"));
		assert_int_equal(host_vmms(), 1);
		rm(names[i]);
	}
	assert_nothing_left();
}

static void a_client_that_goes_away_undoes_its_fork(void **state)
{
	struct conn c;

	create("a", 170);
	for (int i = 0; i < 30; i++) {
		conn_open(&c, false);
		conn_request(&c, "sandbox.fork", of_n("a", 30));
		poll(NULL, 0, i);
		conn_close(&c);
		host_wait(one_left, NULL);
	}
	call_ok("exec.list", by_name("a"));
	rm("a");
	assert_nothing_left();
}

/* It may be there or not. */
static void try_rm(struct conn *c, const char *name)
{
	json_decref(conn_reply(c, conn_request(c, "sandbox.rm",
					       by_name(name))));
}

static void removed_while_they_are_made(void **state)
{
	struct conn c, other;

	create("a", 170);
	for (int i = 0; i < 20; i++) {
		conn_open(&c, false);
		conn_open(&other, false);
		conn_request(&c, "sandbox.fork", of_n("a", 2));
		poll(NULL, 0, i % 7);
		try_rm(&other, "a-1");
		json_decref(conn_reply(&c, c.id));
		try_rm(&other, "a-1");
		try_rm(&other, "a-2");
		conn_close(&other);
		conn_close(&c);
		host_wait(one_left, NULL);
	}
	rm("a");
	assert_nothing_left();
}

static void the_parent_is_removed_meanwhile(void **state)
{
	struct conn c;

	for (int i = 0; i < 10; i++) {
		create("a", 170);
		conn_open(&c, false);
		conn_request(&c, "sandbox.fork", of_n("a", 2));
		poll(NULL, 0, i);
		rm("a");
		json_decref(conn_reply(&c, c.id));
		try_rm(&c, "a-1");
		try_rm(&c, "a-2");
		conn_close(&c);
		assert_nothing_left();
	}
}

/* Return: whether a process is our runner's child, and waits to be reaped. */
static bool is_zombie(const char *pid)
{
	char path[300], state = 0;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c %d", &state, &parent) != 2)
		state = 0;
	fclose(f);
	return state == 'Z' && parent == host_runner;
}

static int zombies(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += *e->d_name >= '1' && *e->d_name <= '9' &&
		     is_zombie(e->d_name);
	closedir(d);
	return n;
}

static bool has_zombies(void *arg)
{
	return zombies() > 0;
}

static bool has_none(void *arg)
{
	return zombies() == 0;
}

/* The VMM has made them and died before it told; they end by themselves. */
static void copies_that_nobody_knows_are_reaped(void **state)
{
	create("a", 162);
	fork_fails(of_n("a", 3), "unavailable");
	host_wait(has_zombies, NULL);
	host_wait(has_none, NULL);
	rm("a");
	assert_nothing_left();
}

static bool no_vmms(void *arg)
{
	return host_vmms() == 0;
}

/* Whatever is under way is given up. */
static void a_shutdown_in_the_middle_of_everything(void **state)
{
	struct conn c[8];
	char name[16];

	create("a", 158);	/* its forks are never answered */
	create("s", 184);	/* takes a while to be saved */
	create("p", 170);
	fork_drop("p", 3);
	for (int i = 0; i < 8; i++)
		conn_open(&c[i], false);
	conn_request(&c[0], "sandbox.fork", of_n("a", 5));
	conn_request(&c[1], "sandbox.fork", of_n("a", 2));
	conn_request(&c[2], "snapshot.create", by_name("s"));
	conn_request(&c[3], "snapshot.create", by_name("p"));
	for (int i = 4; i < 7; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		conn_request(&c[i], "sandbox.create",
			     json_pack("{s:s, s:I}", "name", name, "memory",
				       MIB_(i == 4 ? 142 : 170)));
	}
	conn_request(&c[7], "sandbox.fork", of_n("p", 20));
	poll(NULL, 0, 100);
	call_ok("runner.shutdown", NULL);
	host_end(0);
	for (int i = 0; i < 8; i++)
		conn_close(&c[i]);
	/* copies that nobody was told of end by themselves */
	host_wait(no_vmms, NULL);
	assert_null(host_start());
	assert_true(sandbox_is("a", "stopped"));
	rm("a");
	rm("s");
	rm("p");
	rm("p-1");
	rm("p-2");
	rm("p-3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory_is_known_before_anything_is_made),
		cmocka_unit_test(the_vmm_refuses),
		cmocka_unit_test(one_child_fails_and_the_others_stand),
		cmocka_unit_test(one_child_dies_at_once),
		cmocka_unit_test(a_pid_that_is_not_the_childs_is_not_believed),
		cmocka_unit_test(the_vmm_dies_in_the_middle),
		cmocka_unit_test(the_answer_is_nonsense),
		cmocka_unit_test(without_a_point_the_copies_stand),
		cmocka_unit_test(a_copy_that_does_not_answer_is_no_copy),
		cmocka_unit_test(a_guest_that_will_not_stand_still_is_not_forked),
		cmocka_unit_test(a_client_that_goes_away_undoes_its_fork),
		cmocka_unit_test(removed_while_they_are_made),
		cmocka_unit_test(the_parent_is_removed_meanwhile),
		cmocka_unit_test(the_vmm_never_answers),
		cmocka_unit_test(copies_that_nobody_knows_are_reaped),
		cmocka_unit_test(a_shutdown_in_the_middle_of_everything),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
