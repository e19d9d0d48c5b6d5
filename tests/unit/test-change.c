/* SPDX-License-Identifier: MIT */
/* tests/unit/test-change.c - lists of changes from a guest, honest and not */
#include <sys/stat.h>

#include "cli/gpath.h"
#include "common/agent.h"
#include "common/tlv.h"
#include "tests/unit/change-maker.h"
#include "tests/unit/unit.h"

#define REG (S_IFREG | 0644)

static struct change added(const char *path)
{
	return (struct change){ .path = (char *)path,
				.bits = AGENT_CHANGE_ADDED,
				.now = { .mode = REG, .size = 5 },
				.ino = 7 };
}

static void a_list_comes_in_pieces(void **state)
{
	const struct change in[] = {
		{ .path = "/", .bits = AGENT_CHANGE_META,
		  .now = { .mode = S_IFDIR | 0700 },
		  .was = { .mode = S_IFDIR | 0755 } },
		{ .path = "/a", .bits = AGENT_CHANGE_ADDED,
		  .now = { .mode = REG, .uid = 1, .gid = 2, .size = 3 },
		  .mtime = -5, .ctime = 6, .ino = 7, .nlink = 2 },
		{ .path = "/a b/\xff", .bits = AGENT_CHANGE_DELETED,
		  .was = { .mode = S_IFLNK | 0777, .link = "x" } },
		{ .path = "/c", .bits = AGENT_CHANGE_TYPE,
		  .now = { .mode = S_IFCHR | 0600, .rdev = 0x103 },
		  .was = { .mode = REG, .size = 9 } },
	};
	static const size_t pieces[] = { 1, 7, 64, 4096 };

	for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
		CLEANUP_BUF struct buf b = BUF_INIT;
		CLEANUP_CHANGES struct change_list l = { 0 };
		struct err err = ERR_INIT;

		for (size_t i = 0; i < ARRAY_SIZE(in); i++)
			change_put(&b, &in[i]);
		assert_int_equal(change_parse_all(&l, &b, false, pieces[p],
						  &err), 0);
		assert_int_equal(l.n, ARRAY_SIZE(in));
		assert_string_equal(l.v[2].path, "/a b/\xff");
		assert_string_equal(l.v[2].was.link, "x");
		assert_true(l.v[1].mtime == -5 && l.v[1].nlink == 2);
		assert_true(l.v[3].now.rdev == 0x103 && l.v[3].was.size == 9);
		assert_ptr_equal(change_find(&l, "/c"), &l.v[3]);
		assert_null(change_find(&l, "/b"));
	}
}

static enum err_code parse_two(const struct change *x, const struct change *y,
			       bool all)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_CHANGES struct change_list l = { 0 };
	struct err err = ERR_INIT;

	change_put(&b, x);
	if (y)
		change_put(&b, y);
	change_parse_all(&l, &b, all, 4096, &err);
	return err.code;
}

static void paths_are_checked(void **state)
{
	static const char *const bad[] = {
		"", "a", "//", "/a/", "/a//b", "/..", "/../a", "/a/../b",
		"/a/..", "/.", "/a/./b", "/a/.",
	};
	static const char *const good[] = { "/", "/a", "/...", "/a/..b", "/\n",
					    "/a/b c" };
	char path[GPATH_MAX + 8];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct change c = added(bad[i]);

		assert_int_equal(parse_two(&c, NULL, false), ERR_PROTOCOL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct change c = added(good[i]);

		assert_int_equal(parse_two(&c, NULL, false), ERR_NONE);
	}
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[GPATH_MAX] = '\0';
	assert_false(gpath_valid(path, GPATH_MAX));
	assert_true(gpath_valid(path, GPATH_MAX - 1));
	assert_false(gpath_valid("/a\0b", 4));
}

static void the_order_is_strict(void **state)
{
	struct change a = added("/a"), b = added("/a-"), c = added("/a/b");

	assert_int_equal(parse_two(&a, &b, false), ERR_NONE);
	assert_int_equal(parse_two(&b, &c, false), ERR_NONE);
	assert_int_equal(parse_two(&a, &a, false), ERR_PROTOCOL);
	assert_int_equal(parse_two(&c, &b, false), ERR_PROTOCOL);
}

static void a_record_agrees_with_itself(void **state)
{
	struct change bad[] = {
		added("/x"), added("/x"), added("/x"), added("/x"),
		added("/x"), added("/x"), added("/x"), added("/x"),
	};

	bad[0].bits = 0;
	bad[1].bits = AGENT_CHANGE_DELETED;
	bad[2].now = (struct node){ 0 };
	bad[3].bits = AGENT_CHANGE_CONTENT;
	bad[4].was = (struct node){ .mode = REG };
	bad[5].now.mode = 0123;
	bad[6].now = (struct node){ .mode = S_IFLNK | 0777 };
	bad[7].now.link = "x";
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_two(&bad[i], NULL, false), ERR_PROTOCOL);
	/* a list of all files is not compared */
	bad[0].bits = 0;
	assert_int_equal(parse_two(&bad[0], NULL, true), ERR_NONE);
	assert_int_equal(parse_two(&bad[4], NULL, true), ERR_PROTOCOL);
}

static void raw_bytes_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\x01", 1 },
		{ "\xff\xff\xff\xff", 4 },
		{ "\x01\x00\x01\x00", 4 },
		{ "\x04\x00\x00\x00zzzz", 8 },
		/* a value longer than the record */
		{ "\x08\x00\x00\x00\x30\x00\x00\x00\x09\x00\x00\x00", 12 },
		{ "\x00\x00\x00\x00", 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;
		CLEANUP_CHANGES struct change_list l = { 0 };
		struct err err = ERR_INIT;

		buf_append(&b, cases[i].bytes, cases[i].len);
		assert_int_equal(change_parse_all(&l, &b, false, 3, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
	}
}

static void unknown_values_are_skipped(void **state)
{
	CLEANUP_BUF struct buf r = BUF_INIT;
	struct change c;

	tlv_put_str(&r, 999, "what a newer agent says");
	tlv_put_str(&r, AGENT_T_PATH, "/a");
	assert_int_equal(change_decode(r.data, r.len, &c, NULL), 0);
	assert_string_equal(c.path, "/a");
	change_free(&c);
}

static void the_users_paths(void **state)
{
	CLEANUP_GPATH_FILTER struct gpath_filter f = { 0 };
	struct err err = ERR_INIT;

	assert_true(gpath_filter_match(&f, "/x"));
	assert_int_equal(gpath_filter_add(&f, "//etc/./apt//", &err), 0);
	assert_int_equal(gpath_filter_add(&f, "srv", &err), 0);
	assert_int_equal(gpath_filter_add(&f, "a/../b", &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(f.v[0], "/etc/apt");
	assert_true(gpath_filter_match(&f, "/etc/apt"));
	assert_true(gpath_filter_match(&f, "/srv/x"));
	assert_false(gpath_filter_match(&f, "/srvx"));
	assert_false(gpath_filter_match(&f, "/etc"));
	assert_int_equal(gpath_filter_add(&f, ".", NULL), 0);
	assert_true(gpath_filter_match(&f, "/etc"));
	assert_int_equal(gpath_parent_len("/"), 0);
	assert_int_equal(gpath_parent_len("/a"), 1);
	assert_int_equal(gpath_parent_len("/a/b"), 2);
}

static void names_are_quoted_as_git_does(void **state)
{
	static const struct {
		const char *path, *shown;
	} cases[] = {
		{ "/a b", "/a b" },
		{ "/\xc3\xa4", "/\xc3\xa4" },
		{ "/a\tb\n", "\"/a\\tb\\n\"" },
		{ "/\"\\", "\"/\\\"\\\\\"" },
		{ "/\xff\x1b[0m", "\"/\\377\\033[0m\"" },
		{ "/\xc2\x9b", "\"/\\302\\233\"" },
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(gpath_text(cases[i].path, text,
					       sizeof(text)), cases[i].shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_comes_in_pieces),
		cmocka_unit_test(paths_are_checked),
		cmocka_unit_test(the_order_is_strict),
		cmocka_unit_test(a_record_agrees_with_itself),
		cmocka_unit_test(raw_bytes_are_refused),
		cmocka_unit_test(unknown_values_are_skipped),
		cmocka_unit_test(the_users_paths),
		cmocka_unit_test(names_are_quoted_as_git_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
