/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/kept.c - freezing and thawing
 *
 * Runs in podflare-bench, one thread.
 */
#include <stdio.h>

#include "common/cleanup.h"
#include "common/loop.h"
#include "tests/bench/copies.h"

static const char *const true_cmd[] = { "/bin/true", NULL };

static int call(struct globals *g, const char *method, json_t *params,
		json_t **result, struct err *err)
{
	json_t *r = client_once(g, method, params, err);

	if (!r)
		return -1;
	if (result)
		*result = r;
	else
		json_decref(r);
	return 0;
}

static json_t *of(const char *sandbox)
{
	return json_pack("{s:s}", "sandbox", sandbox);
}

int copies_measure_freeze(struct globals *g, const char *sandbox, int rounds,
			  json_t *report, struct err *err)
{
	uint64_t frozen[COPIES_ROUNDS_MAX], thawed[COPIES_ROUNDS_MAX];
	uint64_t first[COPIES_ROUNDS_MAX], line[COPIES_ROUNDS_MAX], at;
	uint32_t session = work_python(g, sandbox, err);
	json_int_t saved = 0;

	if (!session || work_python_line(g, sandbox, session, 1000, err) < 0)
		return -1;
	for (int i = 0; i < rounds; i++) {
		CLEANUP_JSON json_t *sb = NULL;

		at = now_ns();
		if (call(g, "sandbox.freeze", of(sandbox), &sb, err) < 0)
			return -1;
		frozen[i] = now_ns() - at;
		saved = json_integer_value(json_object_get(sb, "memory_saved"));
		at = now_ns();
		if (call(g, "sandbox.thaw", of(sandbox), NULL, err) < 0)
			return -1;
		thawed[i] = now_ns() - at;
		if (work_exec(g, sandbox, true_cmd, NULL, err) != 0)
			return -1;
		first[i] = now_ns() - at;
		if (work_python_line(g, sandbox, session,
				     2000 + 2 * (unsigned int)i, err) < 0)
			return -1;
		line[i] = now_ns() - at;
	}
	json_object_set_new(report, "freeze", json_pack(
		"{s:o, s:o, s:o, s:o, s:I}",
		"freeze_ms", work_spread(frozen, (size_t)rounds),
		"thaw_ms", work_spread(thawed, (size_t)rounds),
		"thaw_and_exec_ms", work_spread(first, (size_t)rounds),
		"thaw_exec_and_python_line_ms",
		work_spread(line, (size_t)rounds), "memory_saved", saved));
	return 0;
}
