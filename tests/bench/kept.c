/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/kept.c - freezing, thawing, differences
 *
 * Runs in podflare-bench, one thread.  A diff is made by the command-line tool,
 * which is found as any program is: it is in PATH, also in an emulated machine.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/loop.h"
#include "tests/bench/copies.h"

#define CHANGED 100
#define DIFF_ROUNDS 3

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

static int in_guest(struct globals *g, const char *sandbox, const char *script,
		    struct err *err)
{
	const char *const argv[] = { "python3", "-c", script, NULL };
	int rc = work_exec(g, sandbox, argv, NULL, err);

	return rc > 0 ? err_set(err, ERR_GUEST, "exit code %d", rc) : rc;
}

/* @param b NULL: against what @a came from */
static int diff(const char *a, const char *b, const char *name, json_t *figures,
		struct err *err)
{
	const char *const argv[] = { "podflare", "diff", "--name-status", a, b,
				     NULL };
	uint64_t ns[DIFF_ROUNDS];

	for (int i = 0; i < DIFF_ROUNDS; i++) {
		uint64_t began = now_ns();
		int rc = work_run(argv, err);

		if (rc != 0)
			return rc < 0 ? -1 : err_set(err, ERR_GUEST,
						     "diff: exit code %d", rc);
		ns[i] = now_ns() - began;
	}
	json_object_set_new(figures, name, work_spread(ns, DIFF_ROUNDS));
	return 0;
}

static int diffs(struct globals *g, const char *sandbox, const char *copy,
		 json_t *figures, struct err *err)
{
	char script[256];

	if (diff(sandbox, copy, "none_ms", figures, err) < 0)
		return -1;
	snprintf(script, sizeof(script), "for i in range(%d):\n"
		 " open('/root/many/%%d/%%d' %% (i, i * 7 %% 100), 'w')"
		 ".write('changed %%d\\n' %% i)\n", CHANGED);
	if (in_guest(g, copy, script, err) < 0 ||
	    diff(sandbox, copy, "two_ms", figures, err) < 0 ||
	    diff(copy, NULL, "since_fork_ms", figures, err) < 0)
		return -1;
	return 0;
}

int copies_measure_diff(struct globals *g, const char *sandbox, int files,
			json_t *report, struct err *err)
{
	CLEANUP_JSON json_t *result = NULL;
	json_t *figures = json_pack("{s:i, s:i}", "files", files, "changed",
				    CHANGED);
	const char *copy;
	char script[256];
	int rc;

	json_object_set_new(report, "diff", figures);
	snprintf(script, sizeof(script), "import os\nfor d in range(%d):\n"
		 " os.makedirs('/root/many/%%d' %% d)\n"
		 " for i in range(100):\n"
		 "  open('/root/many/%%d/%%d' %% (d, i), 'w').write('%%d\\n' %% i)"
		 "\n", (files + 99) / 100);
	if (in_guest(g, sandbox, script, err) < 0 ||
	    call(g, "sandbox.fork", of(sandbox), &result, err) < 0)
		return -1;
	copy = json_string_value(json_object_get(json_array_get(
		json_object_get(result, "children"), 0), "id"));
	if (!copy)
		return err_set(err, ERR_GUEST, "a copy was not made");
	rc = diffs(g, sandbox, copy, figures, err);
	if (call(g, "sandbox.rm", json_pack("{s:s, s:b}", "sandbox", copy,
					    "force", 1), NULL,
		 rc < 0 ? &(struct err)ERR_INIT : err) < 0)
		rc = -1;
	return rc;
}
