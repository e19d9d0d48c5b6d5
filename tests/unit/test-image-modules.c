/* SPDX-License-Identifier: MIT */
/* tests/unit/test-image-modules.c - loading order, and initramfs parts */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/image-modules.h"
#include "common/path.h"
#include "tests/unit/unit.h"

struct place {
	char dir[32];
	int fd;
};

static void put_file(const struct place *p, const char *name, const char *data,
		     size_t len)
{
	int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

/* A module that needs others; what it says stands between NULs. */
static void put_module(const struct place *p, const char *name,
		       const char *depends)
{
	char data[256];
	int n = snprintf(data, sizeof(data), "ELF%clicense=GPL%cdepends=%s%cx",
			 0, 0, depends, 0);

	put_file(p, name, data, (size_t)n);
}

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/test-modules-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
	mkdirat(p->fd, "m", 0755);
	mkdirat(p->fd, "m/deep", 0755);
	*state = p;
	return p->fd < 0;
}

static int drop_place(void **state)
{
	struct place *p = *state;
	int rc = path_remove_tree(AT_FDCWD, p->dir, NULL);

	close(p->fd);
	free(p);
	return rc;
}

static int write_modules(const struct place *p, const char *const *names,
			 struct err *err)
{
	CLEANUP_MODULES struct modules m = MODULES_INIT;
	char dir[64];

	*err = (struct err)ERR_INIT;
	snprintf(dir, sizeof(dir), "%s/m", p->dir);
	unlinkat(p->fd, "out.cpio", 0);
	assert_int_equal(modules_scan(&m, dir, err), 0);
	return modules_write(&m, names, p->fd, "out.cpio", err);
}

/* All names in the archive, and what /modules/order says. */
static void read_cpio(const struct place *p, char *names, char *order)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	char path[64];

	names[0] = order[0] = '\0';
	snprintf(path, sizeof(path), "%s/out.cpio", p->dir);
	archive_read_support_format_cpio(a);
	assert_int_equal(archive_read_open_filename(a, path, 512), ARCHIVE_OK);
	assert_int_equal(archive_format(a) & ARCHIVE_FORMAT_BASE_MASK, 0);
	while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
		sprintf(names + strlen(names), "%s ",
			archive_entry_pathname(e));
		assert_int_equal(archive_entry_uid(e), 0);
		if (!strcmp(archive_entry_pathname(e), "modules/order"))
			order[archive_read_data(a, order, 500)] = '\0';
	}
	archive_read_free(a);
}

static void what_is_needed_comes_first(void **state)
{
	static const char *const names[] = { "top", "low-one", NULL };
	char list[512], order[512];
	struct err err;

	put_module(*state, "m/deep/top.ko", "mid,low_two");
	put_module(*state, "m/mid.ko", "low_one");
	put_module(*state, "m/low-one.ko", "");
	put_module(*state, "m/low-two.ko", "low_one");
	put_module(*state, "m/other.ko", "");
	assert_int_equal(write_modules(*state, names, &err), 0);
	read_cpio(*state, list, order);
	assert_string_equal(order, "low-one.ko\nmid.ko\nlow-two.ko\ntop.ko\n");
	assert_string_equal(list, "modules modules/low-one.ko modules/mid.ko "
				  "modules/low-two.ko modules/top.ko "
				  "modules/order ");
}

static void built_in_and_optional_ones_may_be_missing(void **state)
{
	static const char *const names[] = { "a", "in_kernel", "?gone", NULL };
	static const char builtin[] = "kernel/x/in-kernel.ko\nkernel/y/z.ko\n";
	char list[512], order[512];
	struct err err;

	put_module(*state, "m/a.ko", "z");
	put_file(*state, "m/modules.builtin", builtin, sizeof(builtin) - 1);
	assert_int_equal(write_modules(*state, names, &err), 0);
	read_cpio(*state, list, order);
	assert_string_equal(order, "a.ko\n");
}

static void a_missing_one_is_named(void **state)
{
	static const char *const names[] = { "a", NULL };
	struct err err;

	put_module(*state, "m/a.ko", "b");
	assert_int_equal(write_modules(*state, names, &err), -1);
	assert_string_equal(err.msg, "the kernel has no b, neither as a module "
				     "nor built in");
}

static void no_modules_at_all_is_a_kernel_with_all_built_in(void **state)
{
	char list[512], order[512];
	struct err err;

	assert_int_equal(write_modules(*state, modules_guest, &err), 0);
	read_cpio(*state, list, order);
	assert_string_equal(list, "modules modules/order ");
	assert_string_equal(order, "");
}

static void a_circle_ends(void **state)
{
	static const char *const names[] = { "a", NULL };
	struct err err;

	put_module(*state, "m/a.ko", "b");
	put_module(*state, "m/b.ko", "a");
	assert_int_equal(write_modules(*state, names, &err), -1);
}

static void what_is_no_module_is_refused(void **state)
{
	static const char *const names[] = { "a", NULL };
	struct err err;

	put_file(*state, "m/a.ko", "junk", 4);
	assert_int_equal(write_modules(*state, names, &err), -1);
	assert_non_null(strstr(err.msg, "not a kernel module"));
}

static void packed_modules_are_unpacked(void **state)
{
	static const char *const names[] = { "a", NULL };
	struct place *p = *state;
	char cmd[128], list[512], order[512];
	struct err err;

	put_module(p, "m/a.ko", "b");
	put_module(p, "m/b.ko", "");
	snprintf(cmd, sizeof(cmd), "gzip %s/m/a.ko && xz %s/m/b.ko", p->dir,
		 p->dir);
	if (system(cmd) != 0)
		skip();
	assert_int_equal(write_modules(p, names, &err), 0);
	read_cpio(p, list, order);
	assert_string_equal(order, "b.ko\na.ko\n");
}

static void depends_is_bounded(void **state)
{
	char out[8];

	assert_int_equal(modules_depends("x\0depends=a,b\0", 14, out,
					 sizeof(out)), 0);
	assert_string_equal(out, "a,b");
	assert_int_equal(modules_depends("x\0depends=\0", 11, out,
					 sizeof(out)), 0);
	assert_string_equal(out, "");
	/* without an end, too long, none */
	assert_int_equal(modules_depends("x\0depends=a,b", 13, out,
					 sizeof(out)), -1);
	assert_int_equal(modules_depends("x\0depends=12345678\0", 19, out,
					 sizeof(out)), -1);
	assert_int_equal(modules_depends("depends=a\0", 10, out,
					 sizeof(out)), -1);
	assert_int_equal(modules_depends("", 0, out, sizeof(out)), -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)
	const struct CMUnitTest tests[] = {
		TEST(what_is_needed_comes_first),
		TEST(built_in_and_optional_ones_may_be_missing),
		TEST(a_missing_one_is_named),
		TEST(no_modules_at_all_is_a_kernel_with_all_built_in),
		TEST(a_circle_ends),
		TEST(what_is_no_module_is_refused),
		TEST(packed_modules_are_unpacked),
		cmocka_unit_test(depends_is_bounded),
	};

	return cmocka_run_group_tests_name("image-modules", tests, NULL, NULL);
}
