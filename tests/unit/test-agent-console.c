/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-console.c - the console waits for its user */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest-init/console.h"
#include "tests/unit/unit.h"

struct fixture {
	struct agent agent;
	struct console console;
	int master;
};

static int setup(void **state)
{
	static const struct agent_system system = { .etc = "/etc" };
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	*state = f;
	f->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (f->master < 0 || grantpt(f->master) < 0 || unlockpt(f->master) < 0 ||
	    agent_init(&f->agent, &system, &err) < 0)
		return -1;
	console_start(&f->console, &f->agent, ptsname(f->master));
	return f->console.watch.fd >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->console.watch.fd >= 0)
		close(f->console.fd);
	if (f->master >= 0)
		close(f->master);
	agent_free(&f->agent);
	free(f);
	return 0;
}

static void an_end_of_file_that_is_typed_changes_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->master, "\4", 1), 1);
	assert_int_equal(loop_once(&f->agent.loop, 5000), 0);
	assert_true(f->console.watch.fd >= 0);
	assert_null(f->agent.children);
}

static void a_port_that_is_gone_is_let_go(void **state)
{
	struct fixture *f = *state;

	close(f->master);
	f->master = -1;
	assert_int_equal(loop_once(&f->agent.loop, 5000), 0);
	assert_int_equal(f->console.watch.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_end_of_file_that_is_typed_changes_nothing, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_port_that_is_gone_is_let_go,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
