/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-pool.c - sandboxes that are ready before they are wanted
 *
 * With VMMs that are played.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(host_path("%s.new", path), "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(host_path("%s.new", path),
				host_path("%s", path)), 0);
}

static void configure(const char *text)
{
	put_file("config/podflare/config.yaml", text);
}

/* KiB of memory that the host says are free. */
static void host_memory(unsigned long available)
{
	char text[128];

	snprintf(text, sizeof(text), "MemTotal:       16000000 kB\n"
		 "MemFree:        1000 kB\nMemAvailable:   %lu kB\n",
		 available);
	put_file("root/proc/meminfo", text);
}

static void restart(int sig, const char *resume)
{
	host_end(sig);
	if (resume)
		setenv("PODFLARE_FAKE_RESUME", resume, 1);
	else
		unsetenv("PODFLARE_FAKE_RESUME");
	assert_null(host_start());
}

static int setup(void **state)
{
	int rc = host_setup(state);

	setenv("PODFLARE_TEMPLATES", "on", 1);
	host_memory(8000000);
	restart(SIGTERM, NULL);
	return rc;
}

static json_t *call(const char *method, json_t *params)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_ok(&c, method, params);
	conn_close(&c);
	return r;
}

static int ready(void)
{
	json_t *img = call("image.show", json_pack("{s:s}", "image",
						   "default"));
	int n = (int)json_integer_value(json_object_get(
		json_object_get(img, "pool"), "ready"));

	json_decref(img);
	return n;
}

struct want {
	int ready, others;	/* members, sandboxes */
};

/* So many are there and no more, beside the template. */
static bool is_so(void *arg)
{
	const struct want *w = arg;
	int all = w->ready + w->others;

	return ready() == w->ready && host_vmms() == 1 + all &&
	       host_count("data/podflare/sandboxes") == all &&
	       host_count("data/podflare/points") == 0 &&
	       host_count("runtime/podflare/vm") == 1 + all;
}

static void wait_for(int n, int others)
{
	struct want w = { n, others };

	host_wait(is_so, &w);
}

static const char *how(const char *name)
{
	static char text[2][32];
	static int turn;
	char *to = text[turn++ % 2];
	json_t *sb = call("sandbox.show", by_name(name));

	snprintf(to, sizeof(text[0]), "%s",
		 text_of(json_object_get(sb, "origin"), "how"));
	json_decref(sb);
	return to;
}

static void make(const char *name)
{
	call_ok("sandbox.create", json_pack("{s:s}", "name", name));
}

static size_t listed(void)
{
	json_t *r = call("sandbox.list", NULL);
	size_t n = json_array_size(json_object_get(r, "sandboxes"));

	json_decref(r);
	return n;
}

static void without_a_file_there_is_none(void **state)
{
	make("a");
	assert_string_equal(how("a"), "zygote");
	rm("a");
	wait_for(0, 0);
}

static void it_fills_and_nobody_sees_it(void **state)
{
	configure("# ready ones\npool: {default: 2}\n");
	wait_for(2, 0);
	assert_int_equal(listed(), 0);
}

static const char *member(const json_t *o, const char *obj, const char *key)
{
	return text_of(json_object_get(o, obj), key);
}

static void assert_is_a(const json_t *sb)
{
	assert_string_equal(member(sb, "origin", "how"), "pool");
	assert_string_equal(text_of(sb, "name"), "a");
	assert_string_equal(member(sb, "env", "K"), "v");
	assert_string_equal(member(sb, "labels", "l"), "m");
	assert_int_equal(json_object_size(json_object_get(sb, "labels")), 1);
	assert_string_equal(text_of(sb, "state"), "running");
}

static void one_is_handed_out_and_made_again(void **state)
{
	static const char *const names[] = { "resume", "agent", "save" };
	json_t *sb = call("sandbox.create", json_pack(
		"{s:s, s:{s:s}, s:{s:s}}", "name", "a", "env", "K", "v",
		"labels", "l", "m")), *steps;

	assert_is_a(sb);
	steps = json_object_get(json_object_get(sb, "origin"), "steps");
	assert_int_equal(json_array_size(steps), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(text_of(json_array_get(steps, i), "name"),
				    names[i]);
	json_decref(sb);
	assert_int_equal(listed(), 1);
	wait_for(2, 1);
	/* as what it is, a new runner knows it */
	restart(SIGKILL, NULL);
	sb = call("sandbox.show", by_name("a"));
	assert_is_a(sb);
	json_decref(sb);
	wait_for(2, 1);
	call_ok("sandbox.fork", by_name("a"));
	rm("a-1");
	rm("a");
	wait_for(2, 0);
}

static void members_survive_the_runner(void **state)
{
	restart(SIGKILL, NULL);
	/* at once: they were not made anew */
	assert_int_equal(host_vmms(), 3);
	make("a");
	assert_string_equal(how("a"), "pool");
	restart(SIGTERM, NULL);
	assert_string_equal(how("a"), "pool");
	rm("a");
	wait_for(2, 0);
}

static void other_sizes_do_not_take_them(void **state)
{
	create("a", 170);
	assert_string_equal(how("a"), "zygote");
	assert_int_equal(ready(), 2);
	rm("a");
	call_ok("sandbox.create", json_pack("{s:s, s:i}", "name", "a", "cpus",
					    2));
	assert_string_equal(how("a"), "zygote");
	rm("a");
	assert_int_equal(ready(), 2);
	host_end(SIGTERM);
	host_kill_vmms();
	assert_null(host_start());
	make("a");
	rm("a");
	wait_for(2, 0);
}

/* Of creates at once: how many came from the pool. */
static unsigned int create_at_once(unsigned int n)
{
	struct conn c[8];
	int64_t id[8];
	unsigned int from_pool = 0;

	for (unsigned int i = 0; i < n; i++)
		conn_open(&c[i], false);
	for (unsigned int i = 0; i < n; i++) {
		char name[2] = { (char)('a' + i), '\0' };

		id[i] = conn_request(&c[i], "sandbox.create",
				     json_pack("{s:s}", "name", name));
	}
	for (unsigned int i = 0; i < n; i++) {
		json_t *r = conn_reply(&c[i], id[i]);
		json_t *sb = json_object_get(r, "result");

		assert_non_null(sb);
		from_pool += !strcmp(member(sb, "origin", "how"), "pool");
		json_decref(r);
		conn_close(&c[i]);
	}
	return from_pool;
}

static void two_at_once_and_one_is_ready(void **state)
{
	configure("pool:\n  default: 1\n");
	wait_for(1, 0);
	assert_int_equal(create_at_once(2), 1);
	/* and while it is being made again */
	make("c");
	rm("a");
	rm("b");
	rm("c");
	wait_for(1, 0);
}

static void eight_at_once(void **state)
{
	configure("pool: {default: 4}\n");
	wait_for(4, 0);
	assert_int_equal(create_at_once(8), 4);
	for (char name[2] = "a"; *name <= 'h'; ++*name)
		rm(name);
	wait_for(4, 0);
}

static void less_is_wanted(void **state)
{
	configure("pool: {default: 1}\n");
	wait_for(1, 0);
	configure("pool: {default: 0}\n");
	wait_for(0, 0);
	configure("pool: {default: 2}\n");
	wait_for(2, 0);
}

static void a_broken_file_changes_nothing(void **state)
{
	json_t *info;

	configure("pol: {default: 0}\n");
	info = call("runner.info", NULL);
	assert_true(json_is_false(json_object_get(
		json_object_get(info, "config"), "ok")));
	assert_non_null(strstr(member(info, "config", "message"),
			       "config.yaml:1: unknown key \"pol\""));
	assert_non_null(strstr(member(info, "config", "hint"), "\"pool\""));
	json_decref(info);
	wait_for(2, 0);
	make("a");
	assert_string_equal(how("a"), "pool");
	rm("a");
	configure("pool: {default: 2, nosuch: 3}\n");
	wait_for(2, 0);
}

/* SIGKILL to the VMMs of what is in data/podflare/sandboxes. */
static void kill_members(void)
{
	assert_int_equal(system("for f in $XDG_DATA_HOME/podflare/sandboxes/*/"
				"vmm.pid; do read -r pid rest <$f && "
				"kill -9 $pid; done"), 0);
}

static void killed_members_are_not_handed_out(void **state)
{
	kill_members();
	make("a");
	assert_string_equal(how("a"), "zygote");
	wait_for(2, 1);
	rm("a");
	/* the runner did not see it */
	host_end(SIGKILL);
	kill_members();
	assert_null(host_start());
	wait_for(2, 0);
}

static void one_that_dies_at_once_is_not_the_answer(void **state)
{
	restart(SIGTERM, "die");
	host_kill_vmms();
	wait_for(2, 0);
	make("a");
	assert_string_equal(how("a"), "zygote");
	rm("a");
	wait_for(2, 0);
}

static void without_an_answer_there_is_no_sandbox(void **state)
{
	restart(SIGTERM, "deaf");
	host_kill_vmms();
	wait_for(2, 0);
	make("a");
	assert_string_equal(how("a"), "zygote");
	rm("a");
	wait_for(2, 0);
}

static bool is_marked(void *arg)
{
	return system("ls $XDG_RUNTIME_DIR/podflare/vm | grep -q new") == 0;
}

static void nothing_is_left_of_a_hand_out(void **state)
{
	struct conn c;

	restart(SIGTERM, "hang");
	host_kill_vmms();
	wait_for(2, 0);
	conn_open(&c, false);
	conn_request(&c, "sandbox.create", json_pack("{s:s}", "name", "a"));
	host_wait(is_marked, NULL);
	conn_close(&c);		/* the client goes */
	wait_for(2, 0);
	conn_open(&c, false);
	conn_request(&c, "sandbox.create", json_pack("{s:s}", "name", "a"));
	host_wait(is_marked, NULL);
	sleep(1);		/* until its meta.json is there */
	restart(SIGKILL, NULL);	/* the runner goes */
	conn_close(&c);
	assert_int_equal(listed(), 0);
	host_kill_vmms();
	wait_for(2, 0);
}

static void the_runner_is_killed_as_it_fills(void **state)
{
	for (unsigned int i = 0; i < 8; i++) {
		configure("pool: {default: 0}\n");
		wait_for(0, 0);
		configure("pool: {default: 3}\n");
		call_ok("runner.info", NULL);
		usleep(400000 + i * 40000);
		restart(SIGKILL, NULL);
	}
	wait_for(3, 0);
}

static void short_memory_takes_them(void **state)
{
	host_memory(200000);
	wait_for(0, 0);
	/* and none is made */
	make("a");
	assert_string_equal(how("a"), "zygote");
	rm("a");
	wait_for(0, 0);
	host_memory(8000000);
	restart(SIGTERM, NULL);
	wait_for(3, 0);
}

static void a_fork_takes_their_memory(void **state)
{
	make("a");
	wait_for(3, 1);
	/* enough for the pool, not for so many copies */
	host_memory(2000000);
	call_fail("sandbox.fork", of_n("a", 1000), "no_memory");
	wait_for(0, 1);
	rm("a");
	host_memory(8000000);
	restart(SIGTERM, NULL);
	wait_for(3, 0);
}

static bool nothing_is_left(void *arg)
{
	return host_vmms() == 0 && none_left(NULL) &&
	       host_count("data/podflare/templates") == 0;
}

static void an_image_takes_its_pool_along(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		call_ok("image.rm", json_pack("{s:s}", "image", "default"));
		host_wait(nothing_is_left, NULL);
		host_put_image();
		/* once while it is being made */
		call_ok("runner.info", NULL);
		usleep(i * 300000);
	}
	wait_for(3, 0);
}

static void a_shutdown_leaves_none(void **state)
{
	call_ok("runner.shutdown", NULL);
	host_end(SIGTERM);
	host_wait(none_left, NULL);
	assert_null(host_start());
	wait_for(3, 0);
	configure("pool: {}\n");
	wait_for(0, 0);
	call_ok("image.rm", json_pack("{s:s}", "image", "default"));
	host_wait(nothing_is_left, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_there_is_none),
		cmocka_unit_test(it_fills_and_nobody_sees_it),
		cmocka_unit_test(one_is_handed_out_and_made_again),
		cmocka_unit_test(members_survive_the_runner),
		cmocka_unit_test(other_sizes_do_not_take_them),
		cmocka_unit_test(two_at_once_and_one_is_ready),
		cmocka_unit_test(eight_at_once),
		cmocka_unit_test(less_is_wanted),
		cmocka_unit_test(a_broken_file_changes_nothing),
		cmocka_unit_test(killed_members_are_not_handed_out),
		cmocka_unit_test(one_that_dies_at_once_is_not_the_answer),
		cmocka_unit_test(without_an_answer_there_is_no_sandbox),
		cmocka_unit_test(nothing_is_left_of_a_hand_out),
		cmocka_unit_test(the_runner_is_killed_as_it_fills),
		cmocka_unit_test(short_memory_takes_them),
		cmocka_unit_test(a_fork_takes_their_memory),
		cmocka_unit_test(an_image_takes_its_pool_along),
		cmocka_unit_test(a_shutdown_leaves_none),
	};

	return cmocka_run_group_tests(tests, setup, host_teardown);
}
