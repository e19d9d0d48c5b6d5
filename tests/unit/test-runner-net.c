/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-net.c - podflared and the network of sandboxes
 *
 * The VMM is played: it asks for a network, and sends one frame.  podflare-net is
 * the real one, so all of it runs in a network of the test's own (netns.h);
 * skipped (77) where none can be made.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/netns.h"
#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

/* podflare-net processes that our podflared has started. */
static int processes(void)
{
	CLEANUP_DIR DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d))) {
		char path[64], name[32] = "";
		int parent = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%.20s/stat", e->d_name);
		f = e->d_name[0] > '0' && e->d_name[0] <= '9' ?
		    fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fscanf(f, "%*d (%31[^)]) %*c %d", name, &parent) == 2)
			n += parent == host_runner &&
			     strcmp(name, "podflare-net") == 0;
		fclose(f);
	}
	return n;
}

static bool there_are(void *arg)
{
	return processes() == *(int *)arg;
}

static void wait_processes(int n)
{
	host_wait(there_are, &n);
}

/* Whether the guest has got an answer. */
static bool answered(void *arg)
{
	char path[512], text[4096] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/console.log",
		 host_path("data/podflare/sandboxes/%s",
			   sandbox_text(arg, "id")));
	f = fopen(path, "re");
	if (!f)
		return false;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return strstr(text, "the wire answers") != NULL;
}

static void create(const char *name, const char *net)
{
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", name, "net",
					    net));
}

static void a_sandbox_gets_its_network_when_it_sends(void **state)
{
	create("a", "on");
	host_wait(answered, "a");
	wait_processes(1);
	call_ok("sandbox.rm", by_name("a"));
	wait_processes(0);
}

static void without_a_network_there_is_no_process(void **state)
{
	create("b", "off");
	create("c", "on");
	host_wait(answered, "c");
	assert_false(answered("b"));
	wait_processes(1);
	call_ok("sandbox.rm", by_name("b"));
	call_ok("sandbox.rm", by_name("c"));
	wait_processes(0);
}

static void a_fork_gets_one_of_its_own(void **state)
{
	create("d", "allow=192.0.2.0/24");
	host_wait(answered, "d");
	call_ok("sandbox.fork", json_pack("{s:s, s:s}", "sandbox", "d", "name",
					  "e"));
	host_wait(answered, "e");
	wait_processes(2);
	call_ok("sandbox.rm", by_name("d"));
	wait_processes(1);
	call_ok("sandbox.rm", by_name("e"));
	wait_processes(0);
}

/* It belongs to the VMM, and the next runner can start others. */
static void it_outlives_the_runner(void **state)
{
	create("f", "on");
	host_wait(answered, "f");
	host_end(SIGKILL);
	free(host_start());
	assert_int_equal(processes(), 0);
	create("g", "on");
	host_wait(answered, "g");
	wait_processes(1);
	call_ok("sandbox.rm", by_name("f"));
	call_ok("sandbox.rm", by_name("g"));
	wait_processes(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sandbox_gets_its_network_when_it_sends),
		cmocka_unit_test(without_a_network_there_is_no_process),
		cmocka_unit_test(a_fork_gets_one_of_its_own),
		cmocka_unit_test(it_outlives_the_runner),
	};

	if (!netns_enter()) {
		printf("skipped: no network namespace can be made here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
