/* SPDX-License-Identifier: MIT */
/* tests/unit/test-cp-path.c - SB:PATH, and docker cp's rules */
#include <stdio.h>

#include "cli/cp-path.h"
#include "tests/unit/unit.h"

static void sides_are_told_apart(void **state)
{
	static const struct {
		const char *arg, *sandbox, *path;
		bool slash, contents;
	} cases[] = {
		{ "a", NULL, "a" },
		{ "a/", NULL, "a", true },
		{ "a//", NULL, "a", true },
		{ "a/.", NULL, "a", true, true },
		{ "a/./", NULL, "a", true, true },
		{ "/", NULL, "/", false, true },
		{ "/.", NULL, "/", true, true },
		{ "//", NULL, "/", true, true },
		{ ".", NULL, ".", false, true },
		{ "..", NULL, "..", false, true },
		{ "../..", NULL, "../..", false, true },
		{ "a.", NULL, "a." },
		{ "sb:/x", "sb", "/x" },
		{ "sb:x/.", "sb", "x", true, true },
		{ "sb:", "sb", ".", false, true },
		{ "sb:/", "sb", "/", false, true },
		{ "sb:a:b", "sb", "a:b" },
		{ "./a:b", NULL, "./a:b" },
		{ "/a:b", NULL, "/a:b" },
		{ "d/a:b", NULL, "d/a:b" },
		{ ".a:b", NULL, ".a:b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_CP_END struct cp_end e;

		assert_int_equal(cp_end_parse(cases[i].arg, &e, NULL), 0);
		if (cases[i].sandbox)
			assert_string_equal(e.sandbox, cases[i].sandbox);
		else
			assert_null(e.sandbox);
		assert_string_equal(e.path, cases[i].path);
		assert_int_equal(e.slash, cases[i].slash);
		assert_int_equal(e.contents, cases[i].contents);
	}
}

static void stdio_and_empty_words(void **state)
{
	CLEANUP_CP_END struct cp_end dash, empty, colon;
	struct err err = ERR_INIT;

	assert_int_equal(cp_end_parse("-", &dash, NULL), 0);
	assert_true(dash.stdio);
	assert_int_equal(cp_end_parse("", &empty, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(cp_end_parse(":/x", &colon, &err), -1);
}

static void paths_are_split(void **state)
{
	static const char *const cases[][3] = {
		{ "a/b", "a", "b" }, { "b", ".", "b" },	 { "/b", "/", "b" },
		{ "a//b", "a", "b" }, { "//b", "/", "b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *folder, *name;

		assert_int_equal(cp_split(cases[i][0], &folder, &name), 0);
		assert_string_equal(folder, cases[i][1]);
		assert_string_equal(name, cases[i][2]);
		free(folder);
		free(name);
	}
}

/* One row of docker cp's rules. */
struct rule {
	const char *src;
	enum cp_type src_type;
	const char *dst;
	enum cp_type dst_type;
	bool no_folder;		/* DST's own folder is missing */
	const char *folder;	/* NULL: an error */
	const char *name;	/* NULL: the contents */
};

static const struct rule rules[] = {
	/* a file */
	{ "s/f", CP_FILE, "d/n", CP_MISSING, false, "d", "n" },
	{ "f", CP_FILE, "n", CP_MISSING, false, ".", "n" },
	{ "f", CP_FILE, "/n", CP_MISSING, false, "/", "n" },
	{ "f", CP_FILE, "d/n/", CP_MISSING, false, NULL, NULL },
	{ "f", CP_FILE, "d/n", CP_MISSING, true, NULL, NULL },
	{ "s/f", CP_FILE, "d/g", CP_FILE, false, "d", "g" },
	{ "f", CP_FILE, "d/g/", CP_FILE, false, NULL, NULL },
	{ "s/f", CP_FILE, "d", CP_FOLDER, false, "d", "f" },
	{ "s/f", CP_FILE, "d/", CP_FOLDER, false, "d", "f" },
	{ "s/f", CP_FILE, "d/.", CP_FOLDER, false, "d", "f" },
	{ "s/f", CP_FILE, ".", CP_FOLDER, false, ".", "f" },
	{ "f/", CP_FILE, "d", CP_FOLDER, false, NULL, NULL },
	{ "f/.", CP_FILE, "d", CP_FOLDER, false, NULL, NULL },
	/* a folder */
	{ "s/x", CP_FOLDER, "d/n", CP_MISSING, false, "d", "n" },
	{ "s/x/", CP_FOLDER, "d/n/", CP_MISSING, false, "d", "n" },
	{ "s/x/.", CP_FOLDER, "d/n", CP_MISSING, false, "d", "n" },
	{ "s/x", CP_FOLDER, "d/n", CP_MISSING, true, NULL, NULL },
	{ "s/x", CP_FOLDER, "d/g", CP_FILE, false, NULL, NULL },
	{ "s/x", CP_FOLDER, "d", CP_FOLDER, false, "d", "x" },
	{ "s/x/", CP_FOLDER, "d", CP_FOLDER, false, "d", "x" },
	{ "s/x/.", CP_FOLDER, "d", CP_FOLDER, false, "d", NULL },
	{ ".", CP_FOLDER, "d", CP_FOLDER, false, "d", NULL },
	{ "/", CP_FOLDER, "d", CP_FOLDER, false, "d", NULL },
	{ "..", CP_FOLDER, "d", CP_FOLDER, false, "d", NULL },
};

static void copies_go_where_docker_cp_puts_them(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];
		CLEANUP_CP_END struct cp_end src, dst;
		CLEANUP_CP_PLAN struct cp_plan plan;
		struct err err = ERR_INIT;
		int rc;

		assert_int_equal(cp_end_parse(r->src, &src, NULL), 0);
		assert_int_equal(cp_end_parse(r->dst, &dst, NULL), 0);
		rc = cp_plan_make(&src, r->src_type, &dst, r->dst_type,
				  !r->no_folder, &plan, &err);
		if ((rc == 0) != (r->folder != NULL))
			fail_msg("rule %zu: %d, %s", i, rc, err.msg);
		if (rc < 0)
			continue;
		assert_string_equal(plan.folder, r->folder);
		if (r->name)
			assert_string_equal(plan.name, r->name);
		else
			assert_null(plan.name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sides_are_told_apart),
		cmocka_unit_test(stdio_and_empty_words),
		cmocka_unit_test(paths_are_split),
		cmocka_unit_test(copies_go_where_docker_cp_puts_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
