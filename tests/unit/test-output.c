/* SPDX-License-Identifier: MIT */
/* tests/unit/test-output.c - tables, and text from a guest made safe */
#include <stdio.h>

#include "cli/output.h"
#include "cli/text.h"
#include "tests/unit/unit.h"

static const struct column columns[] = {
	{ "NAME", .flexible = true },
	{ "STATE" },
	{ "SIZE", .right = true },
};

/* What is printed, as one string that the caller frees. */
static char *printed(const struct table *t, size_t width)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	table_print(t, f, width);
	fclose(f);
	return text;
}

static void columns_are_aligned(void **state)
{
	CLEANUP_TABLE struct table t;
	char *text;

	table_init(&t, columns, ARRAY_SIZE(columns));
	table_cell(&t, "a");
	table_cell(&t, "running");
	table_cellf(&t, "%d", 5);
	table_cell(&t, "longer");
	table_cell(&t, NULL);
	table_cell(&t, "12345");
	text = printed(&t, 0);
	assert_string_equal(text, "NAME    STATE     SIZE\n"
				  "a       running      5\n"
				  "longer  -        12345\n");
	free(text);
}

static void a_table_fits_the_terminal(void **state)
{
	CLEANUP_TABLE struct table t;
	char *text;

	table_init(&t, columns, ARRAY_SIZE(columns));
	table_cell(&t, "a-name-that-is-much-too-long-for-this");
	table_cell(&t, "ok");
	table_cell(&t, "1");
	text = printed(&t, 30);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 30);
	free(text);
	text = printed(&t, 1);	/* narrower than can be */
	assert_non_null(strstr(text, "a-name-+"));
	free(text);
}

static void a_cut_does_not_split_a_character(void **state)
{
	CLEANUP_TABLE struct table t;
	char *text, clean[256];

	table_init(&t, columns, ARRAY_SIZE(columns));
	table_cell(&t, "ääääääääääääääääääääääääääääääääääää");
	table_cell(&t, "ok");
	table_cell(&t, "1");
	text = printed(&t, 24);
	for (char *p = strtok(text, "\n"); p; p = strtok(NULL, "\n"))
		assert_string_equal(text_clean(p, clean, sizeof(clean)), p);
	free(text);
}

static void control_characters_become_visible(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "\x1b[2J\x1b]0;x\x07", "\\x1b[2J\\x1b]0;x\\x07" },
		{ "a\nb\tc\rd", "a\\nb c\\x0dd" },
		{ "\x7f", "\\x7f" },
		{ "\x9b" "31m", "\\x9b31m" },		/* C1 as a byte */
		{ "\xc2\x9b" "31m", "\\xc2\\x9b31m" },	/* C1 in UTF-8 */
		{ "gr\xc3\xbcn \xe6\x97\xa5", "gr\xc3\xbcn \xe6\x97\xa5" },
		{ "\xc0\x8a", "\\xc0\\x8a" },		/* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "\xe2\x80\xae" "abc", "\\xe2\\x80\\xae" "abc" },
		{ "\xe2\x82", "\\xe2\\x82" },		/* cut short */
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[64];

		assert_string_equal(text_clean(cases[i].in, out, sizeof(out)),
				    cases[i].out);
	}
}

static void cleaning_never_overruns(void **state)
{
	char in[256], out[40];
	unsigned int seed = 7;

	for (int n = 0; n < 20000; n++) {
		size_t len = (size_t)rand_r(&seed) % (sizeof(in) - 1);
		size_t size = 1 + (size_t)rand_r(&seed) % (sizeof(out) - 1);

		for (size_t i = 0; i < len; i++)
			in[i] = (char)(1 + rand_r(&seed) % 255);
		in[len] = '\0';
		memset(out, 'Z', sizeof(out));
		text_clean(in, out, size);
		assert_true(strlen(out) < size);
		assert_int_equal(out[size], 'Z');
		for (const char *p = out; *p; p++)
			assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
	}
}

static void lines_are_kept_where_they_may_be(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	text_write(f, "a\r\nb\n\tc\x1b\r", 9, TEXT_MANY_LINES);
	text_write(f, "x\0y", 3, TEXT_MANY_LINES);
	fclose(f);
	assert_string_equal(text, "a\nb\n\tc\\x1b\\x0dx\\x00y");
	free(text);
}

static void json_members_of_a_wrong_type_do_no_harm(void **state)
{
	json_t *obj = json_pack("{s:i, s:s, s:n, s:i}", "a", 5, "b", "text",
				"c", "d", -3);

	assert_string_equal(json_text(obj, "a"), "");
	assert_string_equal(json_text(obj, "b"), "text");
	assert_string_equal(json_text(obj, "nosuch"), "");
	assert_string_equal(json_text(NULL, "b"), "");
	assert_true(json_number(obj, "a") == 5);
	assert_true(json_number(obj, "b") == 0);
	assert_true(json_number(obj, "d") == 0);
	json_decref(obj);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(a_table_fits_the_terminal),
		cmocka_unit_test(a_cut_does_not_split_a_character),
		cmocka_unit_test(control_characters_become_visible),
		cmocka_unit_test(cleaning_never_overruns),
		cmocka_unit_test(lines_are_kept_where_they_may_be),
		cmocka_unit_test(json_members_of_a_wrong_type_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
