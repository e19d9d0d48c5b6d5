/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-template.c - sandboxes as copies of a booted image
 *
 * With VMMs that are played.
 */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

/* Wait for that many VMMs: one more comes and goes when a template is saved. */
static bool are_vmms(void *arg)
{
	return host_vmms() == *(int *)arg;
}

static void assert_vmms(int n)
{
	host_wait(are_vmms, &n);
}

/* Of the templates: how many have that file. */
static int files(const char *name)
{
	const char *all = host_path("data/podflare/templates/*/%s", name);
	glob_t g;
	int n;

	glob(all, 0, NULL, &g);
	n = (int)g.gl_pathc;
	globfree(&g);
	return n;
}

static bool one_is_saved(void *arg)
{
	return files("memory") == 1 && host_vmms() == 1 &&
	       host_count("data/podflare/points") == 0;
}

static void kill_vmms(void)
{
	/* all that are left are templates */
	host_kill_vmms();
	assert_vmms(0);
}

static bool no_templates(void *arg)
{
	return host_vmms() == 0 &&
	       host_count("data/podflare/templates") == 0 &&
	       host_count("data/podflare/points") == 0;
}

static void drop_templates(void)
{
	call_ok("image.rm", json_pack("{s:s}", "image", "default"));
	host_wait(no_templates, NULL);
	host_put_image();
}

/* A sandbox of @mib MiB, made and removed. Return: how it came to be. */
static const char *how_of(int mib)
{
	const char *text;

	create("x", mib);
	text = how("x");
	rm("x");
	return text;
}

static void the_second_one_is_not_booted(void **state)
{
	create("a", 170);
	assert_string_equal(how("a"), "zygote");
	/* it, and the template that it is a copy of */
	assert_vmms(2);
	create("b", 170);
	assert_string_equal(how("b"), "zygote");
	assert_vmms(3);
	assert_int_equal(host_count("data/podflare/templates"), 1);
	/* another size is another machine */
	create("c", 172);
	assert_int_equal(host_count("data/podflare/templates"), 2);
	assert_vmms(5);
	rm("a");
	rm("b");
	rm("c");
	assert_vmms(2);
}

static void a_template_survives_the_runner(void **state)
{
	host_end(SIGKILL);
	assert_null(host_start());
	assert_vmms(2);
	create("a", 170);
	assert_vmms(3);
	assert_int_equal(host_count("data/podflare/templates"), 2);
	rm("a");
	drop_templates();
}

static void a_copy_has_all_layers_of_its_disk(void **state)
{
	char id[16];

	create("a", 170);
	snprintf(id, sizeof(id), "%s", sandbox_text("a", "id"));
	for (int i = 0; i < 2; i++)
		assert_int_equal(access(host_path(
			"data/podflare/sandboxes/%s/disk.%03d.cow", id, i),
			F_OK), 0);
	rm("a");
	drop_templates();
}

static void a_lost_template_is_made_again(void **state)
{
	assert_string_equal(how_of(170), "zygote");
	kill_vmms();	/* before it was saved */
	assert_string_equal(how_of(170), "zygote");
	assert_int_equal(host_count("data/podflare/templates"), 1);
}

static void a_saved_one_is_not_booted_again(void **state)
{
	host_wait(one_is_saved, NULL);
	for (int i = 0; i < 3; i++) {
		kill_vmms();
		assert_string_equal(how_of(170), "template file");
		assert_string_equal(how_of(170), "zygote");
		assert_int_equal(host_count("data/podflare/templates"), 1);
	}
}

static void it_survives_the_host(void **state)
{
	host_end(SIGKILL);
	kill_vmms();
	assert_null(host_start());
	assert_int_equal(host_count("data/podflare/templates"), 1);
	assert_int_equal(host_vmms(), 0);
	/* and one that only ends */
	host_end(SIGTERM);
	assert_null(host_start());
	assert_string_equal(how_of(170), "template file");
	assert_string_equal(how_of(170), "zygote");
}

static void a_shutdown_keeps_it(void **state)
{
	call_ok("runner.shutdown", NULL);
	assert_vmms(0);
	host_end(SIGTERM);
	assert_null(host_start());
	assert_string_equal(how_of(170), "template file");
}

static void of_another_version_it_goes(void **state)
{
	assert_int_equal(utimensat(AT_FDCWD, host_path("libexec/init.cpio"),
				   NULL, 0), 0);
	/* in memory, too */
	assert_string_equal(how_of(170), "zygote");
	host_wait(one_is_saved, NULL);
	host_end(SIGKILL);
	kill_vmms();
	assert_int_equal(utimensat(AT_FDCWD, host_path("libexec/init.cpio"),
				   NULL, 0), 0);
	assert_null(host_start());
	assert_string_equal(how_of(170), "zygote");
	drop_templates();
}

/* What the VMM refuses is made anew, unseen. */
static void refused(int mib)
{
	assert_string_equal(how_of(mib), "zygote");
	host_wait(one_is_saved, NULL);
	kill_vmms();
	assert_string_equal(how_of(mib), "zygote");
	assert_vmms(1);
	assert_int_equal(host_count("data/podflare/templates"), 1);
	drop_templates();
}

static void a_damaged_one_is_made_anew(void **state)
{
	refused(188);
}

static void one_of_another_cpu_is_made_anew(void **state)
{
	refused(194);
}

static bool was_not_saved(void *arg)
{
	return system("grep -q 'not saved' "
		      "$XDG_STATE_HOME/podflare/podflared.log") == 0 && host_vmms() == 1 &&
	       host_count("data/podflare/points") == 0;
}

static void not_saved(int mib)
{
	const char *log = host_path("state/podflare/podflared.log");

	assert_int_equal(truncate(log, 0), 0);
	assert_string_equal(how_of(mib), "zygote");
	host_wait(was_not_saved, NULL);
	assert_int_equal(files("state") + files("memory"), 0);
	/* the one in memory is as good as before */
	assert_string_equal(how_of(mib), "zygote");
	kill_vmms();
	assert_string_equal(how_of(mib), "zygote");
	drop_templates();
}

static void a_full_disk_means_no_file(void **state)
{
	not_saved(180);
}

static void a_save_that_dies_means_no_file(void **state)
{
	not_saved(182);
}

static bool is_saving(void *arg)
{
	return host_count("data/podflare/points") == 1;
}

static void a_save_that_is_cut_short_begins_anew(void **state)
{
	assert_string_equal(how_of(184), "zygote");
	host_wait(is_saving, NULL);
	host_end(SIGKILL);
	assert_null(host_start());
	assert_int_equal(files("memory"), 0);
	host_wait(one_is_saved, NULL);
	kill_vmms();
	assert_string_equal(how_of(184), "template file");
}

static void a_create_does_not_wait_for_it(void **state)
{
	drop_templates();
	assert_string_equal(how_of(184), "zygote");
	host_wait(is_saving, NULL);
	assert_string_equal(how_of(184), "zygote");
	assert_int_equal(files("memory"), 0);
	/* the image goes meanwhile */
	drop_templates();
}

static void an_image_takes_its_templates_along(void **state)
{
	create("a", 170);
	rm("a");
	drop_templates();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_one_is_not_booted),
		cmocka_unit_test(a_template_survives_the_runner),
		cmocka_unit_test(a_copy_has_all_layers_of_its_disk),
		cmocka_unit_test(a_lost_template_is_made_again),
		cmocka_unit_test(a_saved_one_is_not_booted_again),
		cmocka_unit_test(it_survives_the_host),
		cmocka_unit_test(a_shutdown_keeps_it),
		cmocka_unit_test(of_another_version_it_goes),
		cmocka_unit_test(a_damaged_one_is_made_anew),
		cmocka_unit_test(one_of_another_cpu_is_made_anew),
		cmocka_unit_test(a_full_disk_means_no_file),
		cmocka_unit_test(a_save_that_dies_means_no_file),
		cmocka_unit_test(a_save_that_is_cut_short_begins_anew),
		cmocka_unit_test(a_create_does_not_wait_for_it),
		cmocka_unit_test(an_image_takes_its_templates_along),
	};

	return cmocka_run_group_tests(tests, setup, host_teardown);
}
