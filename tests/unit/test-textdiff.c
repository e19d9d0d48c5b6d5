/* SPDX-License-Identifier: MIT */
/* tests/unit/test-textdiff.c - podflare-textdiff: hunks and three-way merges */
#include "cli/textdiff.h"
#include "tests/unit/unit.h"

static struct textdiff tool;

static int close_tool(void **state)
{
	textdiff_close(&tool);
	return 0;
}

static struct text text_of(const char *s)
{
	return (struct text){ s, strlen(s) };
}

static struct textdiff_reply merge(const char *o, const char *a, const char *b,
				   enum textdiff_favor favor)
{
	struct text texts[] = { text_of(o), text_of(a), text_of(b) };
	struct textdiff_reply r;

	assert_int_equal(textdiff_ask(&tool, TEXTDIFF_MERGE, favor, texts, &r,
				      NULL), 0);
	return r;
}

static void lines_merge(void **state)
{
	static const struct {
		const char *ancestor, *ours, *theirs, *result;
	} cases[] = {
		{ "1\n2\n3\n4\n5\n", "1a\n2\n3\n4\n5\n", "1\n2\n3\n4\n5b\n",
		  "1a\n2\n3\n4\n5b\n" },
		/* the same change on both sides */
		{ "1\n2\n3\n", "1\nX\n3\n", "1\nX\n3\n", "1\nX\n3\n" },
		{ "1\n2\n3\n", "1\nX\n3\n", "1\nY\n3\n", NULL },
		/* no line feed at the end */
		{ "1\n2\n3\n4", "0\n1\n2\n3\n4", "1\n2\n3\n4\n5",
		  "0\n1\n2\n3\n4\n5" },
		/* CR LF stays as it is */
		{ "1\r\n2\r\n3\r\n", "1a\r\n2\r\n3\r\n", "1\r\n2\r\n3b\r\n",
		  "1a\r\n2\r\n3b\r\n" },
		/* both added to nothing */
		{ "", "a\n", "b\n", NULL },
		{ "", "a\n", "a\n", "a\n" },
		{ "a\n", "", "a\n", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct textdiff_reply r = merge(cases[i].ancestor,
						cases[i].ours, cases[i].theirs,
						TEXTDIFF_CONFLICTS);

		assert_int_equal(r.result, cases[i].result ? TEXTDIFF_OK
							   : TEXTDIFF_CONFLICT);
		if (cases[i].result)
			assert_string_equal(r.data, cases[i].result);
		free(r.data);
	}
}

static void a_side_settles_conflicts_only(void **state)
{
	const char *o = "1\n2\n3\n4\n5\n", *a = "1\n2\n3\n4a\n5\n",
		   *b = "1b\n2\n3\n4b\n5\n";
	struct textdiff_reply r = merge(o, a, b, TEXTDIFF_OURS);

	assert_string_equal(r.data, "1b\n2\n3\n4a\n5\n");
	free(r.data);
	r = merge(o, a, b, TEXTDIFF_THEIRS);
	assert_string_equal(r.data, "1b\n2\n3\n4b\n5\n");
	free(r.data);
}

static void hunks_as_git_has_them(void **state)
{
	struct text texts[] = { text_of("1\n2\n3\n4\n5\n"),
				text_of("1\n2\n3x\n4\n5\n6") };
	struct textdiff_reply r;

	assert_int_equal(textdiff_ask(&tool, TEXTDIFF_DIFF, 1, texts, &r, NULL),
			 0);
	assert_string_equal(r.data, "@@ -2,4 +2,5 @@\n 2\n-3\n+3x\n 4\n 5\n+6\n"
			    "\\ No newline at end of file\n");
	assert_true(r.added == 2 && r.removed == 1);
	free(r.data);
}

static void large_texts_pass(void **state)
{
	size_t len = 8 * MIB;
	char *a = malloc(len), *b = malloc(len);
	struct text texts[] = { { a, len }, { b, len } };
	struct textdiff_reply r;

	assert_true(a && b);
	for (size_t i = 0; i < len; i++)
		a[i] = i % 40 == 39 ? '\n' : (char)('a' + i / 40 % 26);
	memcpy(b, a, len);
	b[len / 2] = 'X';
	assert_int_equal(textdiff_ask(&tool, TEXTDIFF_DIFF, 3, texts, &r, NULL),
			 0);
	assert_int_equal(r.result, TEXTDIFF_OK);
	assert_true(r.added == 1 && r.removed == 1);
	free(r.data);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_merge),
		cmocka_unit_test(a_side_settles_conflicts_only),
		cmocka_unit_test(hunks_as_git_has_them),
		cmocka_unit_test(large_texts_pass),
	};

	return cmocka_run_group_tests(tests, NULL, close_tool);
}
