/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-image-base.c - a tar stream becomes a root file system
 *
 * A script plays mksquashfs: it keeps the stream that it is given.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/image-base.h"
#include "common/path.h"
#include "tests/unit/tar-maker.h"
#include "tests/unit/unit.h"

static char dir[] = "/tmp/test-base-XXXXXX";
static char out[64];
static struct globals globals = { .quiet = true, .json = true };

static void play_mksquashfs(const char *script)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/mksquashfs", dir);
	f = fopen(path, "w");
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	chmod(path, 0755);
}

static int write_base(struct buf *tar, struct err *err)
{
	CLEANUP_JOB struct job j = JOB_INIT;
	char path[64];
	int fd, rc;

	*err = (struct err)ERR_INIT;
	snprintf(path, sizeof(path), "%s/in.tar", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, tar->data, tar->len), (ssize_t)tar->len);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(job_open(&j, &globals, NULL, err), 0);
	unlink(out);
	rc = base_write(&j, fd, tar->len, BASE_IMPORTED, out, err);
	close(fd);
	free(globals.console);
	globals.console = NULL;
	return rc;
}

/* "name=contents" or "name -> link" of each entry, in order. */
static void read_result(char *text)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	char data[80];
	int rc;

	text[0] = '\0';
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_filename(a, out, 512), ARCHIVE_OK);
	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		const char *link = archive_entry_hardlink(e);

		if (!link)
			link = archive_entry_symlink(e);
		text += sprintf(text, "%s", archive_entry_pathname(e));
		if (link)
			text += sprintf(text, "->%s", link);
		data[0] = '\0';
		if (archive_entry_size(e) > 0)
			data[archive_read_data(a, data, 79)] = '\0';
		text += sprintf(text, "=%s;", data);
	}
	archive_read_free(a);
}

static void names_have_their_fates(void **state)
{
	static const struct {
		const char *name;
		enum base_fate imported, built;
		const char *path;
	} cases[] = {
		{ ".", BASE_KEEP, BASE_KEEP, "" },
		{ "./usr//bin/.", BASE_KEEP, BASE_KEEP, "usr/bin" },
		{ "/etc/passwd", BASE_KEEP, BASE_KEEP, "etc/passwd" },
		{ "etc/hostname", BASE_REPLACE, BASE_REPLACE, "etc/hostname" },
		{ "./etc/resolv.conf", BASE_REPLACE, BASE_REPLACE,
		  "etc/resolv.conf" },
		{ "dev", BASE_KEEP, BASE_KEEP, "dev" },
		{ "dev/null", BASE_DROP, BASE_DROP, "dev/null" },
		{ "tmp/x/y", BASE_DROP, BASE_DROP, "tmp/x/y" },
		{ "tmpfiles/x", BASE_KEEP, BASE_KEEP, "tmpfiles/x" },
		{ "home/proc/x", BASE_KEEP, BASE_KEEP, "home/proc/x" },
		{ "var/lib/apt/lists/x", BASE_KEEP, BASE_DROP,
		  "var/lib/apt/lists/x" },
		{ "podflare-build/1", BASE_KEEP, BASE_DROP,
		  "podflare-build/1" },
		{ "podflare-build", BASE_KEEP, BASE_DROP, "podflare-build" },
		{ "../x", BASE_BAD, BASE_BAD, NULL },
		{ "a/../../x", BASE_BAD, BASE_BAD, NULL },
		{ "a/..", BASE_BAD, BASE_BAD, NULL },
		{ "a/..b", BASE_KEEP, BASE_KEEP, "a/..b" },
		{ NULL, BASE_BAD, BASE_BAD, NULL },
	};
	char path[64], *lengthy = malloc(200);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(base_fate(cases[i].name, BASE_BUILT, path,
					   sizeof(path)), cases[i].built);
		assert_int_equal(base_fate(cases[i].name, BASE_IMPORTED, path,
					   sizeof(path)), cases[i].imported);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
	}
	memset(lengthy, 'a', 199);
	lengthy[199] = '\0';
	assert_int_equal(base_fate(lengthy, BASE_BUILT, path, sizeof(path)),
			 BASE_BAD);
	free(lengthy);
}

static void the_image_is_clean_and_complete(void **state)
{
	static const struct tar_member members[] = {
		{ "./", '5' },
		{ "./bin/", '5' },
		{ "./bin/sh", .data = "shell" },
		{ "/bin/ash", '1', "./bin/sh" },
		{ "bin/dash", '2', "/bin/sh" },
		{ "etc", '5' },
		{ "etc/hostname", .data = "builder" },
		{ "etc/hosts" },
		{ "tmp", '5', .mode = 01777 },
		{ "tmp/rubbish", .data = "x" },
		{ "caf\xc3\xa9", .data = "utf-8" },
		{ "caf\xe9", .data = "latin-1" },
		{ "long", .gnu_name = "opt/a/name/of/some/length" },
		{ "p", .pax = "path=opt/\xc3\xbc\n" },
	};
	struct buf tar = BUF_INIT;
	struct err err;
	char text[2048];

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		tar_put(&tar, &members[i]);
	tar_end(&tar);
	play_mksquashfs("cat >\"$2\"");
	assert_int_equal(write_base(&tar, &err), 0);
	read_result(text);
	assert_string_equal(text,
		"bin/=;bin/sh=shell;bin/ash->bin/sh=;bin/dash->/bin/sh=;etc/=;"
		"tmp/=;caf\xc3\xa9=utf-8;caf\xe9=latin-1;"
		"opt/a/name/of/some/length=;opt/\xc3\xbc=;"
		"dev/=;proc/=;root/=;run/=;sys/=;"
		"etc/hostname=localhost\n;etc/machine-id=;etc/resolv.conf=;"
		"etc/group=root:x:0:\n;"
		"etc/passwd=root:x:0:0:root:/root:/bin/sh\n;"
		"etc/hosts=127.0.0.1\tlocalhost\n"
		"::1\tlocalhost ip6-localhost ip6-loopback\n;");
	buf_free(&tar);
}

static void expect_refused(const struct tar_member *m, const char *why)
{
	static const struct tar_member bin = { "bin/sh", .data = "x" };
	struct buf tar = BUF_INIT;
	struct err err;

	play_mksquashfs("cat >\"$2\"");
	if (m && strcmp(m->name, "only"))
		tar_put(&tar, &bin);
	if (m)
		tar_put(&tar, m);
	tar_end(&tar);
	assert_int_equal(write_base(&tar, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, why))
		fail_msg("%s", err.msg);
	buf_free(&tar);
}

static void hostile_entries_are_refused(void **state)
{
	expect_refused(&(struct tar_member){ "../etc/x" }, "..");
	expect_refused(&(struct tar_member){ "a/../../x", '5' }, "..");
	expect_refused(&(struct tar_member){ "x", '1', "../../etc/shadow" },
		       "hard link leads out");
	expect_refused(&(struct tar_member){ "x", .pax = "path=../y\n" }, "..");
}

static void other_streams_are_refused(void **state)
{
	static const char junk[2048] = "no tar archive";
	struct buf tar = BUF_INIT;
	struct err err;

	expect_refused(&(struct tar_member){ "only" },
		       "not a root file system");
	buf_append(&tar, junk, sizeof(junk));
	assert_int_equal(write_base(&tar, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.hint, "gzip, xz"));
	tar.len = 0;
	assert_int_equal(write_base(&tar, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	/* a header that promises more than follows */
	tar_put(&tar, &(struct tar_member){ "bin/x", .size = "00000100000" });
	assert_int_equal(write_base(&tar, &err), -1);
	assert_non_null(strstr(err.msg, "runcated"));
	buf_free(&tar);
}

static void mksquashfs_says_why_it_failed(void **state)
{
	struct buf tar = BUF_INIT;
	struct err err;
	char path[64];

	tar_put(&tar, &(struct tar_member){ "bin/x", .data = "y" });
	tar_end(&tar);
	play_mksquashfs("cat >/dev/null; echo boom >&2; exit 3");
	assert_int_equal(write_base(&tar, &err), -1);
	assert_string_equal(err.msg, "mksquashfs: exit status 3");
	play_mksquashfs("echo 'x: No space left on device'; exit 1");
	assert_int_equal(write_base(&tar, &err), -1);
	assert_int_equal(err.code, ERR_NO_SPACE);
	snprintf(path, sizeof(path), "%s/mksquashfs", dir);
	unlink(path);
	assert_int_equal(write_base(&tar, &err), -1);
	assert_string_equal(err.hint, "sudo apt install squashfs-tools");
	buf_free(&tar);
}

static void mksquashfs_ends_before_the_stream_does(void **state)
{
	struct buf tar = BUF_INIT;
	struct err err;

	/* more than its pipe takes */
	for (int i = 0; i < 3000; i++)
		tar_put(&tar, &(struct tar_member){ "bin/x", .data = "y" });
	tar_end(&tar);
	play_mksquashfs("exec <&-; echo 'x: No space left on device'; exit 1");
	assert_int_equal(write_base(&tar, &err), -1);
	assert_int_equal(err.code, ERR_NO_SPACE);
	play_mksquashfs("exit 0");
	assert_int_equal(write_base(&tar, &err), -1);
	assert_string_equal(err.msg, "mksquashfs: it ended early");
	buf_free(&tar);
}

static int setup(void **state)
{
	char path[128];

	if (!mkdtemp(dir))
		return -1;
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(path, sizeof(path), "%s:/bin", dir);
	/* the real one must not be found */
	if (access("/bin/mksquashfs", F_OK) == 0) {
		snprintf(path, sizeof(path), "%s/cat", dir);
		if (symlink("/bin/cat", path) < 0)
			return -1;
		snprintf(path, sizeof(path), "%s", dir);
	}
	return setenv("PATH", path, 1);
}

static int teardown(void **state)
{
	return path_remove_tree(AT_FDCWD, dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_their_fates),
		cmocka_unit_test(the_image_is_clean_and_complete),
		cmocka_unit_test(hostile_entries_are_refused),
		cmocka_unit_test(other_streams_are_refused),
		cmocka_unit_test(mksquashfs_says_why_it_failed),
		cmocka_unit_test(mksquashfs_ends_before_the_stream_does),
	};

	signal(SIGPIPE, SIG_IGN);	/* as the command line has it */
	return cmocka_run_group_tests_name("image-base", tests, setup,
					   teardown);
}
