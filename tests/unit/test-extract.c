/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-extract.c - hostile archives against a tree that must not change
 *
 * TMP/outside holds a canary, TMP/dest is copied into and holds a file of the
 * user's; after every archive both are what they were, and dest has nothing new
 * but the one name that was asked for.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cp-extract.h"
#include "common/cleanup.h"
#include "common/path.h"
#include "tests/unit/tar-maker.h"
#include "tests/unit/unit.h"

static char tmp[64];
static int dir = -1;	/* TMP */

/* The archive as a stream, in pieces. */
struct source {
	const struct buf *b;
	size_t at, piece;
};

static int next(void *source, const void **data, size_t *len, struct err *err)
{
	struct source *s = source;

	*len = MIN(s->piece, s->b->len - s->at);
	*data = s->b->data + s->at;
	s->at += *len;
	return *len ? 1 : 0;
}

static void refused(void *user, const char *path, const char *why)
{
	assert_non_null(path);
	assert_true(why && *why);
}

static void put_file(const char *name, const char *text)
{
	assert_int_equal(path_write_file(dir, name, text, strlen(text), 0644,
					 NULL), 0);
}

static void has_text(const char *name, const char *text)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	assert_int_equal(path_read_file(dir, name, 100000, &b, NULL), 0);
	assert_string_equal(buf_str(&b), text);
}

static int set_up(void **state)
{
	strcpy(tmp, "/tmp/podflare-test-XXXXXX");
	if (!mkdtemp(tmp))
		return -1;
	dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(dir, "outside", 0755);
	mkdirat(dir, "dest", 0755);
	put_file("outside/canary", "alive");
	put_file("dest/mine", "my own");
	symlinkat("../outside", dir, "dest/way-out");
	return dir < 0;
}

static int tear_down(void **state)
{
	close(dir);
	return path_remove_tree(AT_FDCWD, tmp, NULL);
}

/* Names in a folder of TMP, apart from . and .. */
static int entries(const char *name, const char *known)
{
	CLEANUP_DIR DIR *d = fdopendir(openat(dir, name, O_RDONLY));
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char mark[300];

		snprintf(mark, sizeof(mark), "|%s|", e->d_name);
		if (!strstr("|.|..|", mark) && !strstr(known, mark))
			n++;
	}
	return n;
}

/* All is as it was, but for dest/top. */
static void nothing_else_changed(void)
{
	struct stat st;

	assert_int_equal(entries("outside", "|canary|"), 0);
	assert_int_equal(entries("dest", "|mine|way-out|top|"), 0);
	assert_int_equal(entries(".", "|outside|dest|"), 0);
	has_text("outside/canary", "alive");
	has_text("dest/mine", "my own");
	assert_int_equal(fstatat(dir, "outside/canary", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(fstatat(dir, "outside", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
}

/* An archive may have made folders that we cannot write to. */
static void remove_top(void)
{
	char command[128];

	if (path_remove_tree(dir, "dest/top", NULL) == 0)
		return;
	snprintf(command, sizeof(command), "chmod -R u+rwx %s/dest/top", tmp);
	assert_int_equal(system(command), 0);
	assert_int_equal(path_remove_tree(dir, "dest/top", NULL), 0);
}

/* Return: as extract_tar(), or 1 when entries were refused. */
static int unpack(const struct buf *b, const char *only, size_t piece,
		  struct err *err)
{
	struct source s = { b, 0, piece };
	CLEANUP_FD int folder = openat(dir, "dest", O_RDONLY | O_CLOEXEC);
	struct extract x = { .folder = folder,
			     .only = only,
			     .next = next,
			     .source = &s,
			     .refused = refused };

	if (extract_tar(&x, err) < 0) {
		assert_true(err->code != ERR_NONE && err->msg[0]);
		return -1;
	}
	return x.nr_refused ? 1 : 0;
}

enum verdict { ENDS = -1, FINE = 0, LEFT_OUT = 1, ANY = 2 };

struct attack {
	enum verdict verdict;
	struct tar_member m[4];
};

#define LONG "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define D { "top", '5', .mode = 0755 }

static const struct attack attacks[] = {
	/* names */
	{ ENDS, { { "../evil" } } },
	{ ENDS, { { "top/../evil" } } },
	{ ENDS, { { "top/../../outside/canary", .data = "dead" } } },
	{ ENDS, { { "/tmp/podflare-evil" } } },
	{ ENDS, { { "//top/x" } } },
	{ ENDS, { { "/top" } } },
	{ ENDS, { { "" } } },
	{ ENDS, { { ".." } } },
	{ ENDS, { { "." , '5' } } },
	{ ENDS, { { "./" , '5' } } },
	{ ENDS, { { "./../evil" } } },
	{ ENDS, { { "evil" } } },
	{ ENDS, { { "mine", .data = "gone" } } },
	{ ENDS, { { "top2/x" } } },
	{ ENDS, { { "Top" } } },
	{ ENDS, { { "to" } } },
	{ ENDS, { { "way-out/evil" } } },
	{ ENDS, { { "..", '5' } } },
	{ ENDS, { D, { "top/..", '5' } } },
	{ ENDS, { D, { "top/a/../../evil" } } },
	{ ENDS, { { "top", .pax = "path=../evil" } } },
	{ ENDS, { { "top", .pax = "path=/tmp/podflare-evil" } } },
	{ ENDS, { { "top", .gnu_name = "../evil" } } },
	{ ENDS, { { "top", .gnu_name = "top/../../outside/canary" } } },
	{ ENDS, { { "top", '5', .pax = "path=mine" } } },
	{ ENDS, { D, { "x", .pax = "path=top/" LONG LONG LONG LONG } } },
	{ FINE, { { "top/a/b/c", .data = "x" } } },
	{ FINE, { { "./top//./x" } } },
	{ FINE, { D, { "top/new\nline" }, { "top/\x1b[2J" } } },
	{ FINE, { D, { "top/..." }, { "top/..x" } } },
	/* symbolic links */
	{ LEFT_OUT, { { "top", '2', "../outside" } } },
	{ LEFT_OUT, { { "top", '2', "mine" } } },
	{ LEFT_OUT, { { "top", '2', "/etc/passwd" } } },
	{ LEFT_OUT, { D, { "top/l", '2', "/etc/passwd" } } },
	{ LEFT_OUT, { D, { "top/l", '2', "../../outside/canary" } } },
	{ LEFT_OUT, { D, { "top/l", '2', ".." } } },
	{ LEFT_OUT, { D, { "top/l", '2', "../mine" } } },
	{ LEFT_OUT, { D, { "top/a/l", '2', "../.." } } },
	{ LEFT_OUT, { D, { "top/l", '2', "" } } },
	{ LEFT_OUT, { D, { "top/l", '2', "./../x" } } },
	{ LEFT_OUT, { D, { "top/l", '2', "a/../../x" } } },
	{ LEFT_OUT, { D, { "top/l", '2', ".", .pax = "linkpath=/etc" } } },
	/* a chain: lexically inside, in truth not */
	{ LEFT_OUT, { D, { "top/s", '2', "." }, { "top/t", '2', "s/.." } } },
	{ FINE, { D, { "top/l", '2', "a/b/c" } } },
	{ FINE, { D, { "top/a/l", '2', "../x" } } },
	{ FINE, { D, { "top/a/b/l", '2', "../../x" } } },
	/* writing through links */
	{ ENDS, { D, { "top/l", '2', "." }, { "top/l/x", .data = "x" } } },
	{ FINE, { D, { "top/l", '2', "x" }, { "top/l", .data = "new" } } },
	{ ENDS, { D, { "top/l", '2', "." }, { "top/l", '5' } } },
	{ ENDS, { { "top", .data = "file" }, { "top/x" } } },
	{ ENDS, { { "top", .data = "file" }, { "top", '5' } } },
	{ ENDS, { D, { "top/d", '5' }, { "top/d", .data = "x" } } },
	/* hard links */
	{ ENDS, { D, { "top/h", '1', "../outside/canary" } } },
	{ ENDS, { D, { "top/h", '1', "/etc/passwd" } } },
	{ ENDS, { D, { "top/h", '1', "mine" } } },
	{ ENDS, { D, { "top/h", '1', "way-out/canary" } } },
	{ LEFT_OUT, { D, { "top/h", '1', "top/nosuch" } } },
	{ LEFT_OUT, { D, { "top/h", '1', "top" } } },
	{ LEFT_OUT, { D, { "top/l", '2', "x" }, { "top/h", '1', "top/l" } } },
	{ ENDS, { D, { "top/l", '2', "." }, { "top/h", '1', "top/l/x" } } },
	{ FINE, { D, { "top/f", .data = "x" }, { "top/h", '1', "top/f" } } },
	{ FINE, { D, { "top/f", .data = "x" }, { "top/f", '1', "top/f" } } },
	/* modes and types */
	{ LEFT_OUT, { { "top", .mode = 04755 } } },
	{ LEFT_OUT, { { "top", .mode = 02755 } } },
	{ LEFT_OUT, { D, { "top/x", .mode = 06711, .data = "x" } } },
	{ FINE, { { "top", '5', .mode = 02775 } } },
	{ FINE, { { "top", '5', .mode = 01000 }, { "top/x" } } },
	{ LEFT_OUT, { { "top", '3' } } },
	{ LEFT_OUT, { { "top", '4' } } },
	{ LEFT_OUT, { { "top", '6' } } },
	{ ANY, { { "top", '7', .data = "x" } } },
	{ ANY, { { "top", 'V' } } },
	{ ANY, { { "top", 'M', .data = "x" } } },
	{ ANY, { { "top", 'Z', .data = "x" } } },
	{ ANY, { { "top", 'S', .data = "x" } } },
	{ ANY, { { "top", 'D', .data = "x" } } },
	/* sizes */
	{ ENDS, { { "top", .size = "77777777777" } } },
	{ ENDS, { { "top", .pax = "size=9223372036854775807" } } },
	{ ANY, { { "top", .size = "\xff\xff\xff\xff\xff\xff\xff\xff\xff" } } },
	{ ANY, { { "top", .pax = "size=-1" } } },
	{ ANY, { { "top", .pax = "GNU.sparse.major=1\nGNU.sparse.minor=0\n"
				 "GNU.sparse.realsize=5",
		   .data = "1\n4\n99999999\n" } } },
	{ ANY, { { "top", .pax = "GNU.sparse.map=0,9,5,9\n"
				 "GNU.sparse.size=4", .data = "abc" } } },
	{ ANY, { { "top", .pax = "mtime=99999999999999999999" } } },
	{ ANY, { { "top", .pax = "hdrcharset=BINARY\npath=top/\xff" } } },
};

static void run_attack(size_t i, size_t piece)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const struct attack *a = &attacks[i];
	struct err err = ERR_INIT;
	int rc;

	for (size_t j = 0; j < ARRAY_SIZE(a->m) && a->m[j].name; j++)
		tar_put(&b, &a->m[j]);
	tar_end(&b);
	rc = unpack(&b, "top", piece, &err);
	if (a->verdict != ANY && rc != (int)a->verdict)
		fail_msg("attack %zu (%s): %d, %s", i, a->m[0].name, rc,
			 err.msg);
	nothing_else_changed();
	remove_top();
}

static void hostile_archives_change_nothing_else(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		run_attack(i, SIZE_MAX);
		run_attack(i, 7);
	}
}

static void a_link_that_stands_there_is_not_followed(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	/* the user's own: dest/top/out -> outside */
	mkdirat(dir, "dest/top", 0755);
	symlinkat("../../outside", dir, "dest/top/out");
	tar_put(&b, &(struct tar_member)D);
	tar_put(&b, &(struct tar_member){ "top/out/planted", .data = "x" });
	tar_end(&b);
	assert_int_equal(unpack(&b, "top", SIZE_MAX, &err), -1);
	assert_non_null(strstr(err.msg, "link is in the way"));
	nothing_else_changed();
	remove_top();
}

static void a_file_replaces_the_link_not_its_target(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	symlinkat("../outside/canary", dir, "dest/top");
	tar_put(&b, &(struct tar_member){ "top", .data = "new" });
	tar_end(&b);
	assert_int_equal(unpack(&b, "top", SIZE_MAX, &err), 0);
	has_text("dest/top", "new");
	nothing_else_changed();
	remove_top();
}

static void what_is_cut_short_leaves_the_old_file(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	put_file("dest/top", "old");
	tar_put(&b, &(struct tar_member){ "top", .data = "the new contents" });
	b.len -= 500;
	assert_int_equal(unpack(&b, "top", SIZE_MAX, &err), -1);
	has_text("dest/top", "old");
	nothing_else_changed();
	remove_top();
}

static void modes_times_and_contents_are_kept(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	tar_put(&b, &(struct tar_member){ "top", '5', .mode = 0500 });
	tar_put(&b, &(struct tar_member){ "top/f", .mode = 0640,
					  .data = "text" });
	tar_put(&b, &(struct tar_member){ "top/sub", '5', .mode = 02750 });
	tar_put(&b, &(struct tar_member){ "top/sub/h", '1', "top/f" });
	tar_put(&b, &(struct tar_member){ "top/sub/l", '2', "../f" });
	tar_end(&b);
	assert_int_equal(unpack(&b, "top", 100, &err), 0);
	has_text("dest/top/f", "text");
	assert_int_equal(fstatat(dir, "dest/top/f", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(fstatat(dir, "dest/top", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0500);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(fstatat(dir, "dest/top/sub", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	has_text("dest/top/sub/l", "text");
	remove_top();
}

static void contents_may_have_any_name(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	tar_put(&b, &(struct tar_member){ "./", '5', .mode = 0700 });
	tar_put(&b, &(struct tar_member){ "./top", .data = "1" });
	tar_put(&b, &(struct tar_member){ "./mine2", .data = "2" });
	tar_end(&b);
	assert_int_equal(unpack(&b, NULL, SIZE_MAX, &err), 0);
	has_text("dest/mine2", "2");
	unlinkat(dir, "dest/mine2", 0);
	nothing_else_changed();
	remove_top();
}

static void damaged_archives_change_nothing_else(void **state)
{
	unsigned int seed = 99;

	for (int n = 0; n < 3000; n++) {
		CLEANUP_BUF struct buf b = BUF_INIT;
		const struct attack *a = &attacks[(size_t)rand_r(&seed) %
						  ARRAY_SIZE(attacks)];
		struct err err = ERR_INIT;

		for (size_t j = 0; j < ARRAY_SIZE(a->m) && a->m[j].name; j++)
			tar_put(&b, &a->m[j]);
		for (int k = rand_r(&seed) % 6; k >= 0; k--)
			b.data[(size_t)rand_r(&seed) % b.len] =
				(uint8_t)rand_r(&seed);
		b.len -= (size_t)rand_r(&seed) % (b.len / 2);
		unpack(&b, "top", 1 + (size_t)rand_r(&seed) % 1000, &err);
		if (n % 100 == 0)
			nothing_else_changed();
		remove_top();
	}
	nothing_else_changed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_archives_change_nothing_else),
		cmocka_unit_test(a_link_that_stands_there_is_not_followed),
		cmocka_unit_test(a_file_replaces_the_link_not_its_target),
		cmocka_unit_test(what_is_cut_short_leaves_the_old_file),
		cmocka_unit_test(modes_times_and_contents_are_kept),
		cmocka_unit_test(contents_may_have_any_name),
		cmocka_unit_test(damaged_archives_change_nothing_else),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
