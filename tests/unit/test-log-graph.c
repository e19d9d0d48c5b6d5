/* SPDX-License-Identifier: MIT */
/* tests/unit/test-log-graph.c - the lines beside a log */
#include "cli/log-graph.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

/* Events as "c a" (create), "f b a" (fork b from a), "m b a", "M b a" (files of
 * b merged into a), "r a"; the oldest first. @expect: each event's line is followed by itself. */
static void expect_graph(const char *const *events, size_t n,
			 const char *expect)
{
	CLEANUP_LOG_GRAPH struct log_graph g = { .n = 0 };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (size_t i = n; i-- > 0;) {
		const char *e = events[i];
		char sb[2] = { e[2], '\0' };
		char parent[2] = { e[3] ? e[4] : '\0', '\0' };
		json_t *o = json_pack("{s:s, s:s, s:s}", "what",
				      *e == 'c' ? "create" : *e == 'f' ? "fork" :
				      *e == 'm' ? "merge" : *e == 'M' ?
				      "merge-files" : "rm", "sandbox",
				      sb, "parent", parent);

		assert_int_equal(log_graph_before(&g, o, f), 0);
		fprintf(f, "%s\n", e);
		log_graph_after(&g, o, f);
		json_decref(o);
	}
	fclose(f);
	assert_string_equal(text, expect);
	free(text);
}

static void a_fork_bends_into_its_parent(void **state)
{
	static const char *const events[] = { "c a", "f b a" };

	expect_graph(events, 2, "| *  f b a\n"
				"|/\n"
				"*  c a\n");
}

static void a_merge_begins_at_its_parent(void **state)
{
	static const char *const events[] = { "c a", "f b a", "m b a", "r a" };

	expect_graph(events, 4, "x  r a\n"
				"*  m b a\n"
				"|\\\n"
				"| *  f b a\n"
				"|/\n"
				"*  c a\n");
}

static void lanes_in_between_are_crossed(void **state)
{
	static const char *const events[] = { "c a", "f b a", "f c a", "f d a" };

	/* the newest opens the first lane beside its parent's */
	expect_graph(events, 4, "| *  f d a\n"
				"|/\n"
				"| *  f c a\n"
				"|/\n"
				"| *  f b a\n"
				"|/\n"
				"*  c a\n");
}

static void far_lanes_are_reached(void **state)
{
	static const char *const events[] = { "c a", "f c a", "f b a", "r b",
					      "r c" };

	/* c's lane came first, then b's, and a's is the last */
	expect_graph(events, 5, "x  r c\n"
				"| x  r b\n"
				"| * |  f b a\n"
				"|  \\|\n"
				"*   |  f c a\n"
				" \\__|\n"
				"    *  c a\n");
}

static void a_merge_crosses_lanes(void **state)
{
	static const char *const events[] = { "c a", "f b a", "f c a", "m b a",
					      "r c", "r a" };

	expect_graph(events, 6, "x  r a\n"
				"| x  r c\n"
				"* |  m b a\n"
				"|_|\\\n"
				"| * |  f c a\n"
				"|/  |\n"
				"|   *  f b a\n"
				"|__/\n"
				"*  c a\n");
}

static void merged_files_come_from_a_lane_that_goes_on(void **state)
{
	static const char *const one[] = { "c a", "f b a", "M b a", "r b" };
	static const char *const two[] = { "c a", "f b a", "f c a", "M b a",
					   "M c a", "r b" };

	expect_graph(one, 4, "x  r b\n"
			     "| *  M b a\n"
			     "|/|\n"
			     "* |  f b a\n"
			     " \\|\n"
			     "  *  c a\n");
	/* c has no event of its own later on */
	expect_graph(two, 6, "x  r b\n"
			     "| *  M c a\n"
			     "| |\\\n"
			     "| * |  M b a\n"
			     "|/| |\n"
			     "| | *  f c a\n"
			     "| |/\n"
			     "* |  f b a\n"
			     " \\|\n"
			     "  *  c a\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_bends_into_its_parent),
		cmocka_unit_test(a_merge_begins_at_its_parent),
		cmocka_unit_test(lanes_in_between_are_crossed),
		cmocka_unit_test(far_lanes_are_reached),
		cmocka_unit_test(a_merge_crosses_lanes),
		cmocka_unit_test(merged_files_come_from_a_lane_that_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
