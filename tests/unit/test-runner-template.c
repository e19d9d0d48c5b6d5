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

static void change_init(const char *text)
{
	int fd = open(host_path("libexec/init.cpio"), O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void of_another_version_it_goes(void **state)
{
	/* only written again */
	change_init("init");
	assert_string_equal(how_of(170), "zygote");
	assert_int_equal(files("memory"), 1);
	/* in memory, too */
	change_init("tini");
	assert_string_equal(how_of(170), "zygote");
	host_wait(one_is_saved, NULL);
	host_end(SIGKILL);
	kill_vmms();
	change_init("init");
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

static json_t *call(const char *method, json_t *params)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_ok(&c, method, params);
	conn_close(&c);
	return r;
}

/* The only template of the image, as image.show has it. */
static bool template_is(const char *key)
{
	json_t *img = call("image.show", json_pack("{s:s}", "image",
						   "default"));
	json_t *list = json_object_get(img, "templates");
	bool yes = json_is_true(json_object_get(json_array_get(list, 0), key));

	assert_int_equal(json_array_size(list), 1);
	json_decref(img);
	return yes;
}

static void an_image_is_warmed_without_a_sandbox(void **state)
{
	json_t *t, *again;

	t = call("image.warm", json_pack("{s:s, s:I}", "image", "default",
					 "memory", MIB_(170)));
	assert_string_equal(text_of(json_object_get(t, "origin"), "how"),
			    "zygote");
	assert_true(json_is_true(json_object_get(t, "in_memory")));
	assert_true(template_is("in_memory"));
	again = call("image.warm", json_pack("{s:s, s:I}", "image", "default",
					     "memory", MIB_(170)));
	assert_string_equal(text_of(t, "id"), text_of(again, "id"));
	json_decref(t);
	json_decref(again);
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	host_wait(one_is_saved, NULL);
	kill_vmms();
	assert_true(template_is("on_disk"));
	assert_false(template_is("in_memory"));
	t = call("image.warm", json_pack("{s:I}", "memory", MIB_(170)));
	assert_string_equal(text_of(json_object_get(t, "origin"), "how"),
			    "template file");
	json_decref(t);
	assert_int_equal(host_vmms(), 1);
	drop_templates();
}

static void what_cannot_be_warmed_is_told(void **state)
{
	call_fail("image.warm", json_pack("{s:s}", "image", "none"),
		  "not_found");
	call_fail("image.warm", json_pack("{s:i}", "cpus", 99), "usage");
	/* its kernel panics */
	call_fail("image.warm", json_pack("{s:I}", "memory", MIB_(130)),
		  "guest");
	host_wait(no_templates, NULL);
}

static void without_templates_nothing_is_warmed(void **state)
{
	host_end(SIGTERM);
	setenv("PODFLARE_TEMPLATES", "off", 1);
	assert_null(host_start());
	call_fail("image.warm", NULL, "unavailable");
	host_end(SIGTERM);
	setenv("PODFLARE_TEMPLATES", "on", 1);
	assert_null(host_start());
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
		cmocka_unit_test(an_image_is_warmed_without_a_sandbox),
		cmocka_unit_test(what_cannot_be_warmed_is_told),
		cmocka_unit_test(without_templates_nothing_is_warmed),
		cmocka_unit_test(an_image_takes_its_templates_along),
	};

	return cmocka_run_group_tests(tests, setup, host_teardown);
}
