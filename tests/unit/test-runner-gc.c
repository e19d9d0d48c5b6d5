/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-gc.c - runner.gc and runner.check
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cowfmt.h"
#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

#define DATA "data/podflare/"

static json_t *call(const char *method, json_t *params)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_ok(&c, method, params);
	conn_close(&c);
	return r;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(host_path("%s", path), &st) == 0;
}

static void make_file(const char *path)
{
	int fd = open(host_path("%s", path), O_WRONLY | O_CREAT | O_CLOEXEC,
		      0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "left", 4), 4);
	close(fd);
}

static void make_folder(const char *path)
{
	assert_int_equal(mkdir(host_path("%s", path), 0700), 0);
}

/* Whether a list of objects has one with that path. */
static bool has(const json_t *r, const char *list, const char *path)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(r, list), i, o)
		if (strcmp(text_of(o, "path"), path) == 0)
			return true;
	return false;
}

static size_t count(const json_t *r, const char *list)
{
	return json_array_size(json_object_get(r, list));
}

static const char *path_of(const char *name, const char *file)
{
	static char path[2][256];
	static int turn;
	char *p = path[turn++ % 2];

	snprintf(p, sizeof(path[0]), "sandboxes/%s/%s",
		 sandbox_text(name, "id"), file);
	return p;
}

static const char *in_data(const char *path)
{
	static char text[300];

	snprintf(text, sizeof(text), DATA "%s", path);
	return text;
}

static void what_nobody_needs_goes(void **state)
{
	static const char *const left[] = {
		"sandboxes/0123456789ab", "sandboxes/.rm-123456789abc",
		"points/aaaaaaaaaaaa", "snapshots/.rm-bbbbbbbbbbbb",
		"templates/cccccccccccc",
	};
	json_t *r;
	char tmp[256];

	create("a", 170);
	fork_drop("a", 1);
	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		make_folder(in_data(left[i]));
		snprintf(tmp, sizeof(tmp), "%s/disk.000.cow", left[i]);
		make_file(in_data(tmp));
	}
	snprintf(tmp, sizeof(tmp), "%s", path_of("a", "disk.flat.tmp"));
	make_file(in_data(tmp));
	make_file("runtime/podflare/vm/0123456789ab.sock");
	/* what is no name of ours stays */
	make_folder(in_data("sandboxes/mine"));

	r = call("runner.gc", json_pack("{s:b}", "dry_run", true));
	assert_int_equal(count(r, "removed"), ARRAY_SIZE(left) + 2);
	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		assert_true(has(r, "removed", left[i]));
		assert_true(exists(in_data(left[i])));
	}
	assert_true(has(r, "removed", tmp));
	assert_true(has(r, "removed", "vm/0123456789ab.sock"));
	assert_true(json_integer_value(json_object_get(r, "bytes")) > 0);
	json_decref(r);

	r = call("runner.gc", NULL);
	assert_int_equal(count(r, "removed"), ARRAY_SIZE(left) + 2);
	json_decref(r);
	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		assert_false(exists(in_data(left[i])));
	assert_false(exists(in_data(tmp)));
	assert_true(exists(in_data("sandboxes/mine")));
	call_ok("exec.list", by_name("a"));
	call_ok("exec.list", by_name("a-1"));
	fork_drop("a", 1);

	r = call("runner.gc", NULL);
	assert_int_equal(count(r, "removed"), 0);
	json_decref(r);
	assert_int_equal(rmdir(host_path(DATA "sandboxes/mine")), 0);
	rm("a");
	rm("a-1");
	rm("a-2");
	assert_nothing_left();
}

/* One that has a description is somebody's, even if it cannot be read. */
static void what_may_be_somebodys_stays(void **state)
{
	json_t *r;

	make_folder(in_data("sandboxes/0123456789ab"));
	make_file(in_data("sandboxes/0123456789ab/meta.json"));
	r = call("runner.gc", NULL);
	assert_int_equal(count(r, "removed"), 0);
	json_decref(r);
	assert_true(exists(in_data("sandboxes/0123456789ab/meta.json")));
	unlink(host_path(DATA "sandboxes/0123456789ab/meta.json"));
	r = call("runner.gc", NULL);
	assert_int_equal(count(r, "removed"), 1);
	json_decref(r);
	assert_nothing_left();
}

static json_t *check(size_t damage)
{
	json_t *r = call("runner.check", NULL);

	if (count(r, "damage") != damage)
		fail_msg("%s", json_dumps(r, 0));
	return r;
}

static int open_layer(const char *name, const char *file)
{
	int fd = open(host_path("%s", in_data(path_of(name, file))),
		      O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void damage_is_found_and_has_a_cure(void **state)
{
	struct cow_header h;
	json_t *r, *o;
	uint8_t bit = 0x80;
	int fd;

	/* of a size that leaves room in the bitmap */
	call_ok("sandbox.create", json_pack("{s:s, s:I, s:I}", "name", "a",
					    "memory", MIB_(170), "disk",
					    MIB_(300)));
	fork_drop("a", 1);
	r = check(0);
	/* two sandboxes and their point */
	assert_int_equal(json_integer_value(json_object_get(r, "folders")), 3);
	assert_true(json_integer_value(json_object_get(r, "layers")) >= 3);
	assert_int_equal(json_integer_value(json_object_get(r, "images")), 1);
	json_decref(r);

	/* a bit of a cluster behind the end */
	fd = open_layer("a", "disk.001.cow");
	assert_int_equal(cow_format_load(fd, &h, NULL), 0);
	assert_int_equal(pwrite(fd, &bit, 1, (off_t)(h.data_off - 1)), 1);
	r = check(1);
	assert_true(has(r, "damage", path_of("a", "disk.001.cow")));
	o = json_array_get(json_object_get(r, "damage"), 0);
	assert_string_equal(text_of(o, "what"), "a");
	assert_non_null(strstr(text_of(o, "problem"), "bitmap"));
	assert_non_null(strstr(text_of(o, "cure"), "podflare rm a"));
	json_decref(r);
	/* a layer that is cut */
	assert_int_equal(ftruncate(fd, 4096), 0);
	r = check(1);
	json_decref(r);
	assert_int_equal(ftruncate(fd, (off_t)(h.data_off + h.size)), 0);
	close(fd);
	r = check(0);
	json_decref(r);

	/* one that both have, and their point; a description that is none */
	fd = open_layer("a", "disk.000.cow");
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	close(fd);
	make_file(in_data(path_of("a-1", "meta.json")));
	r = check(3);
	assert_true(has(r, "damage", path_of("a", "disk.000.cow")));
	assert_true(has(r, "damage", path_of("a-1", "disk.000.cow")));
	assert_true(has(r, "damage", path_of("a-1", "meta.json")));
	json_decref(r);
	rm("a");
	rm("a-1");
	assert_nothing_left();
}

/* What a VMM that is played writes is no machine's state. */
static void memory_in_files_is_read(void **state)
{
	json_t *r, *o;

	create("a", 170);
	call_ok("sandbox.freeze", by_name("a"));
	r = check(1);
	o = json_array_get(json_object_get(r, "damage"), 0);
	assert_true(has(r, "damage", path_of("a", "state")));
	assert_non_null(strstr(text_of(o, "cure"), "thaw --boot a"));
	json_decref(r);
	unlink(host_path("%s", in_data(path_of("a", "memory"))));
	r = check(1);
	json_decref(r);
	rm("a");
	assert_nothing_left();
}

static void an_image_is_compared_with_its_digest(void **state)
{
	char path[512], digest[128];
	struct conn c;
	json_t *r;
	int fd;

	conn_open(&c, false);
	r = conn_ok(&c, "image.show", json_pack("{s:s}", "image", "default"));
	snprintf(digest, sizeof(digest), "%s", text_of(r, "digest"));
	json_decref(r);
	conn_close(&c);
	snprintf(path, sizeof(path), "%s",
		 host_path(DATA "images/%s/base.img", digest));
	chmod(path, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\xff", 1, 0), 1);
	r = check(1);
	assert_non_null(strstr(text_of(json_array_get(
		json_object_get(r, "damage"), 0), "cure"), "image rm"));
	json_decref(r);
	assert_int_equal(ftruncate(fd, 1), 0);
	r = check(1);
	json_decref(r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_needs_goes),
		cmocka_unit_test(what_may_be_somebodys_stays),
		cmocka_unit_test(damage_is_found_and_has_a_cure),
		cmocka_unit_test(memory_in_files_is_read),
		cmocka_unit_test(an_image_is_compared_with_its_digest),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
