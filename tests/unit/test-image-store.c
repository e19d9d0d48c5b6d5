/* SPDX-License-Identifier: MIT */
/* tests/unit/test-image-store.c - the images of a user: all or nothing */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/image-build.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/path.h"
#include "tests/unit/unit.h"

struct rig {
	char dir[32];
	struct globals globals;
	struct job job;
	struct store store;
};

static int make_rig(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	*r = (struct rig){ .globals = { .quiet = true }, .job = JOB_INIT,
			   .store = STORE_INIT };
	strcpy(r->dir, "/tmp/test-store-XXXXXX");
	*state = r;
	return !mkdtemp(r->dir) || setenv("XDG_DATA_HOME", r->dir, 1) < 0 ||
	       job_open(&r->job, &r->globals, NULL, NULL) < 0 ||
	       store_open(&r->store, true, NULL) < 0;
}

static int drop_rig(void **state)
{
	struct rig *r = *state;

	store_close(&r->store);
	job_close(&r->job);
	path_remove_tree(AT_FDCWD, r->dir, NULL);
	free(r);
	return 0;
}

static int put_file(int fd, const char *name, const char *text)
{
	return path_write_file(fd, name, text, strlen(text), 0644, NULL);
}

/* An image with one file, whose contents are @text. */
static int add(struct rig *r, const char *name, const char *text,
	       char dir[STORE_DIR_MAX], struct err *err)
{
	CLEANUP_JSON json_t *meta = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:{s:s}}", "format", 1, "kernel",
		"6.1", "name", name ? name : "x", "base_type", "squashfs",
		"input", text, "env", "A", "b");
	char tmp[32];
	int fd = store_begin(&r->store, tmp, err), rc;

	assert_true(fd >= 0);
	assert_int_equal(put_file(fd, "base.img", text), 0);
	image_stamp(meta);
	rc = store_commit(&r->store, fd, tmp, meta, name, dir, &r->job, err);
	close(fd);
	return rc;
}

/* Nothing but complete images, names and the lock. */
static void expect_tidy(struct rig *r)
{
	CLEANUP_DIR DIR *d = opendir(r->store.path);
	struct dirent *e;

	while ((e = readdir(d)))
		assert_null(strstr(e->d_name, "tmp"));
}

static void an_image_is_found_by_name_and_digest(void **state)
{
	struct rig *r = *state;
	char dir[STORE_DIR_MAX], found[STORE_DIR_MAX], text[128];
	struct err err = ERR_INIT;

	assert_int_equal(add(r, "one", "1", dir, &err), 0);
	assert_int_equal(store_resolve(&r->store, "one", found, &err), 0);
	assert_string_equal(found, dir);
	assert_int_equal(store_resolve(&r->store, dir, found, &err), 0);
	snprintf(text, sizeof(text), "sha256:%.6s", dir + 7);
	assert_int_equal(store_resolve(&r->store, text, found, &err), 0);
	assert_int_equal(store_resolve(&r->store, text + 7, found, &err), 0);
	text[7 + 3] = '\0';
	assert_int_equal(store_resolve(&r->store, text + 7, found, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	expect_tidy(r);
}

static void what_does_not_exist_has_a_hint(void **state)
{
	static const char *const names[] = { "", "no", "../names/x", "a/b",
					     "sha256:", "sha256-zz" };
	struct rig *r = *state;
	char found[STORE_DIR_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(store_resolve(&r->store, names[i], found,
					       &err), -1);
		assert_int_equal(err.code, ERR_NOT_FOUND);
	}
	struct err err = ERR_INIT;
	assert_int_equal(store_resolve(&r->store, "default", found, &err), -1);
	assert_string_equal(err.hint, "podflare image build default");
}

static void a_name_moves_to_the_newer_image(void **state)
{
	struct rig *r = *state;
	char one[STORE_DIR_MAX], two[STORE_DIR_MAX], found[STORE_DIR_MAX];
	CLEANUP_JSON json_t *list = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(add(r, "a", "1", one, &err), 0);
	assert_int_equal(add(r, "a", "2", two, &err), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(store_resolve(&r->store, "a", found, &err), 0);
	assert_string_equal(found, two);
	list = store_list(&r->store, &err);
	assert_int_equal(json_array_size(list), 2);
	/* the one without a name sorts first */
	assert_string_equal(json_text(json_array_get(list, 0), "digest"), one);
	assert_string_equal(json_text(json_array_get(list, 1), "name"), "a");
}

static void image_json_is_what_the_digest_says(void **state)
{
	struct rig *r = *state;
	CLEANUP_JSON json_t *image = NULL;
	CLEANUP_JSON json_t *meta = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	char dir[STORE_DIR_MAX], path[128];

	assert_int_equal(add(r, "a", "hello", dir, &err), 0);
	snprintf(path, sizeof(path), "%s/image.json", dir);
	assert_int_equal(path_read_file(r->store.fd, path, 4096, &text, &err),
			 0);
	meta = json_loads(buf_str(&text), 0, NULL);
	char *again = json_dumps(meta, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(buf_str(&text), again);
	free(again);
	assert_non_null(strstr(buf_str(&text),
		"\"base.img\":{\"sha256\":\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b16"
		"1e5c1fa7425e73043362938b9824\",\"size\":5}"));
	image = store_show(&r->store, dir, &err);
	assert_int_equal(json_number(image, "size"), 5);
	assert_string_equal(json_text(image, "kernel"), "6.1");
}

static void damage_is_seen(void **state)
{
	struct rig *r = *state;
	CLEANUP_JSON json_t *list = NULL;
	struct err err = ERR_INIT;
	char dir[STORE_DIR_MAX], path[128];

	assert_int_equal(add(r, "a", "12345", dir, &err), 0);
	snprintf(path, sizeof(path), "%s/base.img", dir);
	put_file(r->store.fd, path, "123");
	assert_null(store_load(&r->store, dir, &err));
	assert_non_null(strstr(err.msg, "wrong size"));
	put_file(r->store.fd, path, "54321");
	snprintf(path, sizeof(path), "%s/image.json", dir);
	put_file(r->store.fd, path, "{\"format\":1}");
	err = (struct err)ERR_INIT;
	assert_null(store_load(&r->store, dir, &err));
	assert_non_null(strstr(err.msg, "does not have its digest"));
	list = store_list(&r->store, &err);
	assert_int_equal(json_array_size(list), 1);
	assert_non_null(json_object_get(json_array_get(list, 0), "broken"));
	/* it can be removed all the same, its name too */
	assert_int_equal(store_remove(&r->store, dir, &err), 0);
	assert_int_equal(store_resolve(&r->store, "a", path, NULL), -1);
}

static void a_removed_image_is_gone(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	char dir[STORE_DIR_MAX], path[64];

	assert_int_equal(add(r, "a", "1", dir, &err), 0);
	assert_int_equal(store_remove(&r->store, dir, &err), 0);
	assert_int_equal(faccessat(r->store.fd, dir, F_OK, 0), -1);
	snprintf(path, sizeof(path), "names/a");
	assert_int_equal(faccessat(r->store.fd, path, F_OK,
				   AT_SYMLINK_NOFOLLOW), -1);
	expect_tidy(r);
}

static void the_same_image_twice_is_one(void **state)
{
	struct rig *r = *state;
	CLEANUP_JSON json_t *meta = json_pack("{s:i}", "format", 1);
	struct err err = ERR_INIT;
	char dir[2][STORE_DIR_MAX], tmp[32];

	for (int i = 0; i < 2; i++) {
		int fd = store_begin(&r->store, tmp, &err);

		put_file(fd, "base.img", "1");
		assert_int_equal(store_commit(&r->store, fd, tmp, meta,
					      i ? "b" : "a", dir[i], &r->job,
					      &err), 0);
		close(fd);
	}
	assert_string_equal(dir[0], dir[1]);
	assert_int_equal(store_unlink(&r->store, "a", &err), 0);
	assert_int_equal(store_resolve(&r->store, "b", dir[0], &err), 0);
	expect_tidy(r);
}

static void a_failed_commit_leaves_nothing(void **state)
{
	struct rig *r = *state;
	CLEANUP_JSON json_t *meta = json_pack("{s:i}", "format", 1);
	struct err err = ERR_INIT;
	char dir[STORE_DIR_MAX], tmp[32];
	int fd = store_begin(&r->store, tmp, &err);

	put_file(fd, "base.img", "1");
	r->job.signal = SIGINT;
	assert_int_equal(store_commit(&r->store, fd, tmp, meta, "a", dir,
				      &r->job, &err), -1);
	assert_int_equal(err.code, ERR_CANCELLED);
	close(fd);
	expect_tidy(r);
}

static void leftovers_go_when_the_lock_is_taken(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;

	mkdirat(r->store.fd, ".tmp-build-123", 0700);
	put_file(r->store.fd, ".tmp-build-123/base.img", "x");
	assert_int_equal(store_lock(&r->store, &r->job, &err), 0);
	expect_tidy(r);
}

static void a_build_waits_for_another(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	int fds[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		int rc = store_lock(&r->store, &r->job, NULL);

		if (write(fds[1], "x", 1) == 1)
			usleep(500000);
		_exit(rc);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(store_lock(&r->store, &r->job, &err), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fds[0]);
	close(fds[1]);
}

static void names_come_from_paths(void **state)
{
	char name[64];

	assert_int_equal(image_name_of("/a/b/web.yaml", name), 0);
	assert_string_equal(name, "web");
	assert_int_equal(image_name_of("x.tar.gz", name), 0);
	assert_string_equal(name, "x");
	assert_int_equal(image_name_of("-", name), -1);
	assert_int_equal(image_name_of(".hidden", name), -1);
	assert_int_equal(image_name_of("Big.tar", name), -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_rig, drop_rig)
	const struct CMUnitTest tests[] = {
		TEST(an_image_is_found_by_name_and_digest),
		TEST(what_does_not_exist_has_a_hint),
		TEST(a_name_moves_to_the_newer_image),
		TEST(image_json_is_what_the_digest_says),
		TEST(damage_is_seen),
		TEST(a_removed_image_is_gone),
		TEST(the_same_image_twice_is_one),
		TEST(a_failed_commit_leaves_nothing),
		TEST(leftovers_go_when_the_lock_is_taken),
		TEST(a_build_waits_for_another),
		cmocka_unit_test(names_come_from_paths),
	};

	return cmocka_run_group_tests_name("image-store", tests, NULL, NULL);
}
