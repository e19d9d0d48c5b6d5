/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-layers.c - chains that forks make long, VMMs played
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runner/chain.h"
#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

static char folder[512];	/* of the sandbox "a" */

static void create_a(int mib)
{
	create("a", mib);
	snprintf(folder, sizeof(folder), "%s",
		 host_path("data/podflare/sandboxes/%s",
			   sandbox_text("a", "id")));
}

/* Return: how many layers it has; -1: and another file of a layer. */
static int layers(void)
{
	CLEANUP_DIR DIR *d = opendir(folder);
	struct dirent *e;
	bool other = false;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, "disk.", 5) != 0)
			continue;
		if (strstr(e->d_name, ".cow"))
			n++;
		else
			other = true;
	}
	return other ? -1 : n;
}

static bool is_short(void *arg)
{
	int n = layers();

	return n > 0 && n <= CHAIN_FLATTEN;
}

static bool is_tidy(void *arg)
{
	return layers() >= 0;
}

/* @n forks of it, one after the other, that are gone again. */
static void fork_often(int n)
{
	for (int i = 0; i < n; i++) {
		json_t *r = fork_ok("a", 1);
		char name[64];

		snprintf(name, sizeof(name), "%s",
			 text_of(child(r, 0), "name"));
		json_decref(r);
		rm(name);
	}
}

static void assert_runs(void)
{
	assert_true(sandbox_is("a", "running"));
	call_ok("exec.list", by_name("a"));
}

static void a_hundred_forks_in_a_row(void **state)
{
	create_a(170);
	fork_often(100);
	host_wait(is_short, NULL);
	assert_runs();
	/* and it goes on from there */
	call_ok("sandbox.freeze", by_name("a"));
	call_ok("sandbox.thaw", by_name("a"));
	fork_often(CHAIN_FLATTEN);
	host_wait(is_short, NULL);
	rm("a");
	assert_nothing_left();
}

static void a_hundred_levels_deep(void **state)
{
	char name[64] = "a", next[64];

	create_a(170);
	for (int i = 0; i < 100; i++) {
		struct conn c;

		snprintf(next, sizeof(next), "l%d", i);
		conn_open(&c, false);
		json_decref(conn_ok(&c, "sandbox.fork",
				    json_pack("{s:s, s:s}", "sandbox", name,
					      "name", next)));
		conn_close(&c);
		rm(name);
		strcpy(name, next);
	}
	call_ok("exec.list", by_name(name));
	rm(name);
	assert_nothing_left();
}

static bool is_full(void *arg)
{
	return layers() == CHAIN_MAX;
}

/* Forks go on as long as there is room; then they say why there is none. */
static void assert_stays_long(int mib, const char *why)
{
	const char *message;
	json_t *e;
	struct conn c;

	create_a(mib);
	fork_often(CHAIN_MAX - 1);
	host_wait(is_full, NULL);
	conn_open(&c, false);
	e = conn_fail(&c, "sandbox.fork", by_name("a"), "limit");
	message = text_of(json_object_get(e, "data"), "hint");
	if (!strstr(message, why))
		fail_msg("%s", json_dumps(e, 0));
	json_decref(e);
	conn_close(&c);
	host_wait(is_full, NULL);
	assert_runs();
	rm("a");
	assert_nothing_left();
}

static void a_vmm_that_refuses_keeps_its_layers(void **state)
{
	assert_stays_long(200, "cannot flush");
	assert_stays_long(202, "no exchange");
	assert_stays_long(204, "no exchange");
	assert_stays_long(212, "not the VMM's");
}

static bool has_failed(void *arg)
{
	return sandbox_is("a", "failed");
}

static void a_vmm_that_dies_leaves_a_chain(void **state)
{
	for (int mib = 206; mib <= 208; mib += 2) {
		create_a(mib);
		fork_often(CHAIN_FLATTEN - 1);
		assert_int_equal(layers(), CHAIN_FLATTEN);
		fork_drop("a", 1);
		host_wait(has_failed, NULL);
		host_wait(is_tidy, NULL);
		assert_int_equal(layers(), CHAIN_FLATTEN + 1);
		rm("a-1");
		rm("a");
		assert_nothing_left();
	}
}

static void a_vmm_that_lies_is_ended(void **state)
{
	create_a(214);
	fork_often(CHAIN_FLATTEN - 1);
	fork_drop("a", 1);
	host_wait(has_failed, NULL);
	rm("a-1");
	rm("a");
	assert_nothing_left();
}

static bool is_swapping(void *arg)
{
	return layers() < 0;
}

/* Fork until a new layer is there, which the VMM is to take. */
static void fork_until_swapping(void)
{
	while (is_short(NULL))
		fork_often(1);
	host_wait(is_swapping, NULL);
}

/* Whatever comes while the folder is held waits, and is done. */
static void others_wait_for_an_exchange(void **state)
{
	struct conn c;

	create_a(210);
	fork_until_swapping();
	fork_drop("a", 2);
	host_wait(is_short, NULL);
	rm("a-1");
	rm("a-2");
	fork_until_swapping();
	call_ok("sandbox.freeze", by_name("a"));
	call_ok("sandbox.thaw", by_name("a"));
	assert_runs();
	fork_until_swapping();
	conn_open(&c, false);
	conn_request(&c, "sandbox.rm", by_name("a"));
	json_decref(conn_reply(&c, c.id));
	conn_close(&c);
	assert_nothing_left();
}

static void a_killed_runner_leaves_a_chain(void **state)
{
	create_a(210);
	fork_until_swapping();
	host_end(SIGKILL);
	assert_null(host_start());
	assert_int_equal(layers(), CHAIN_FLATTEN + 1);
	assert_runs();
	/* the VMM has taken the new layer, which has no name any more; it is
	 * told so, and both agree again */
	poll(NULL, 0, 1200);
	fork_often(1);
	host_wait(is_short, NULL);
	fork_often(CHAIN_MAX);
	host_wait(is_short, NULL);
	assert_runs();
	/* one that ends by itself leaves nothing, either */
	fork_often(CHAIN_FLATTEN);
	host_end(SIGTERM);
	assert_true(is_tidy(NULL));
	assert_null(host_start());
	assert_runs();
	rm("a");
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_forks_in_a_row),
		cmocka_unit_test(a_hundred_levels_deep),
		cmocka_unit_test(a_vmm_that_refuses_keeps_its_layers),
		cmocka_unit_test(a_vmm_that_dies_leaves_a_chain),
		cmocka_unit_test(a_vmm_that_lies_is_ended),
		cmocka_unit_test(others_wait_for_an_exchange),
		cmocka_unit_test(a_killed_runner_leaves_a_chain),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
