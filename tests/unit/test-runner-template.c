/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-template.c - sandboxes as copies of a booted image
 *
 * With VMMs that are played.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

/* With templates, which other tests do without. */
static int setup(void **state)
{
	int rc = host_setup(state);

	host_end(SIGTERM);
	setenv("PODFLARE_TEMPLATES", "on", 1);
	return rc || host_start() ? -1 : 0;
}

static const char *how(const char *name)
{
	static char text[32];
	struct conn c;
	json_t *sb;

	conn_open(&c, false);
	sb = conn_ok(&c, "sandbox.show", by_name(name));
	snprintf(text, sizeof(text), "%s",
		 text_of(json_object_get(sb, "origin"), "how"));
	json_decref(sb);
	conn_close(&c);
	return text;
}

static void the_second_one_is_not_booted(void **state)
{
	create("a", 170);
	assert_string_equal(how("a"), "zygote");
	/* it, and the template that it is a copy of */
	assert_int_equal(host_vmms(), 2);
	create("b", 170);
	assert_string_equal(how("b"), "zygote");
	assert_int_equal(host_vmms(), 3);
	assert_int_equal(host_count("data/podflare/templates"), 1);
	/* another size is another machine */
	create("c", 172);
	assert_int_equal(host_count("data/podflare/templates"), 2);
	assert_int_equal(host_vmms(), 5);
	rm("a");
	rm("b");
	rm("c");
	assert_int_equal(host_vmms(), 2);
}

static void a_template_survives_the_runner(void **state)
{
	host_end(SIGKILL);
	assert_null(host_start());
	assert_int_equal(host_vmms(), 2);
	create("a", 170);
	assert_int_equal(host_vmms(), 3);
	assert_int_equal(host_count("data/podflare/templates"), 2);
	rm("a");
}

static void kill_vmms(void)
{
	/* all that are left are templates */
	assert_int_equal(system("pkill -9 -f \"$PODFLARE_LIBEXEC\"/podflare-vmm"),
			 0);
}

static bool no_vmm(void *arg)
{
	return host_vmms() == 0;
}

static void a_lost_template_is_made_again(void **state)
{
	kill_vmms();
	host_wait(no_vmm, NULL);
	create("a", 170);
	assert_string_equal(how("a"), "zygote");
	assert_int_equal(host_vmms(), 2);
	rm("a");
}

static void an_image_takes_its_templates_along(void **state)
{
	call_ok("image.rm", json_pack("{s:s}", "image", "default"));
	host_wait(no_vmm, NULL);
	assert_int_equal(host_count("data/podflare/templates"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_one_is_not_booted),
		cmocka_unit_test(a_template_survives_the_runner),
		cmocka_unit_test(a_lost_template_is_made_again),
		cmocka_unit_test(an_image_takes_its_templates_along),
	};

	return cmocka_run_group_tests(tests, setup, host_teardown);
}
