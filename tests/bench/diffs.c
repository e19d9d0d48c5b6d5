/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/diffs.c - what a diff of few files among many costs
 *
 * Runs in podflare-bench, one thread.  A diff is made by the command-line tool,
 * which is found as any program is: it is in PATH, also in an emulated machine.
 * The start of that program is in the figures, and is one of them.
 */
#include "tests/bench/diffs.h"

#include <stdio.h>

#include "common/cleanup.h"
#include "common/loop.h"

#define SANDBOX "bench-diff"
#define MEMORY (256 * MIB)
#define ROUNDS 3

struct diffs {
	struct globals *g;
	json_t *figures;
	char image[32];
	char copy[64];	/* its id */
};

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

static int remove_it(struct diffs *d, const char *sandbox, struct err *err)
{
	return call(d->g, "sandbox.rm", json_pack("{s:s, s:b}", "sandbox",
						  sandbox, "force", 1), NULL,
		    err);
}

static int in_guest(struct diffs *d, const char *sandbox, const char *script,
		    struct err *err)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	int rc = work_exec(d->g, sandbox, argv, NULL, err);

	return rc > 0 ? err_set(err, ERR_GUEST, "exit code %d", rc) : rc;
}

static int timed(struct diffs *d, const char *const *argv, const char *name,
		 struct err *err)
{
	uint64_t ns[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = now_ns();
		int rc = work_run(argv, err);

		if (rc != 0)
			return rc < 0 ? -1 : err_set(err, ERR_GUEST, "%s: exit "
						     "code %d", argv[1], rc);
		ns[i] = now_ns() - began;
	}
	json_object_set_new(d->figures, name, work_spread(ns, ROUNDS));
	return 0;
}

/* @param b NULL: against what @a came from */
static int diff(struct diffs *d, const char *a, const char *b,
		const char *name, struct err *err)
{
	const char *const argv[] = { "podflare", "diff", "--name-status", a, b,
				     NULL };

	return timed(d, argv, name, err);
}

static int compare(struct diffs *d, struct err *err)
{
	static const char *const start[] = { "podflare", "version", NULL };
	char script[256];

	if (timed(d, start, "program_start_ms", err) < 0 ||
	    diff(d, SANDBOX, NULL, "none_since_image_ms", err) < 0 ||
	    diff(d, SANDBOX, d->copy, "none_of_two_ms", err) < 0)
		return -1;
	/* one file of each folder, of all of the only one */
	snprintf(script, sizeof(script), "n=$(ls /many | wc -l); i=0; "
		 "while [ $i -lt %d ]; do "
		 "echo changed $i >/many/$((i %% n))/$i || exit 1; "
		 "i=$((i + 1)); done", DIFFS_CHANGED);
	if (in_guest(d, d->copy, script, err) < 0 ||
	    diff(d, SANDBOX, d->copy, "of_two_ms", err) < 0 ||
	    diff(d, d->copy, NULL, "since_fork_ms", err) < 0 ||
	    in_guest(d, SANDBOX, script, err) < 0)
		return -1;
	return diff(d, SANDBOX, NULL, "since_image_ms", err);
}

static int with_copy(struct diffs *d, struct err *err)
{
	CLEANUP_JSON json_t *result = NULL;
	const char *id;
	int rc;

	if (call(d->g, "sandbox.fork", json_pack("{s:s}", "sandbox", SANDBOX),
		 &result, err) < 0)
		return -1;
	id = json_string_value(json_object_get(json_array_get(
		json_object_get(result, "children"), 0), "id"));
	if (!id)
		return err_set(err, ERR_GUEST, "a copy was not made");
	snprintf(d->copy, sizeof(d->copy), "%s", id);
	rc = compare(d, err);
	if (remove_it(d, d->copy, rc < 0 ? &(struct err)ERR_INIT : err) < 0)
		rc = -1;
	return rc;
}

static int of_image(struct globals *g, int files, json_t *all, struct err *err)
{
	struct diffs d = { .g = g, .figures = json_object() };
	int rc;

	snprintf(d.image, sizeof(d.image), "bench-%d", files);
	json_object_set_new(all, d.image, d.figures);
	if (call(g, "sandbox.create",
		 json_pack("{s:s, s:s, s:I}", "name", SANDBOX, "image", d.image,
			   "memory", (json_int_t)MEMORY), NULL, err) < 0)
		return -1;
	rc = with_copy(&d, err);
	if (remove_it(&d, SANDBOX, rc < 0 ? &(struct err)ERR_INIT : err) < 0)
		rc = -1;
	return rc;
}

static double p50(const json_t *all, int files, const char *name)
{
	char image[32];

	snprintf(image, sizeof(image), "bench-%d", files);
	return json_number_value(json_object_get(json_object_get(
		json_object_get(all, image), name), "p50"));
}

int diffs_measure(struct globals *g, int files, json_t *report,
		  struct err *err)
{
	static const char *const names[] = { "of_two_ms", "since_fork_ms",
					     "since_image_ms" };
	json_t *all = json_object(), *ratios = json_object();

	json_object_set_new(report, "diff", all);
	if (of_image(g, DIFFS_CHANGED, all, err) < 0 ||
	    of_image(g, files, all, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_object_set_new(ratios, names[i], json_real(
			p50(all, files, names[i]) /
			p50(all, DIFFS_CHANGED, names[i])));
	return json_object_set_new(all, "ratio", ratios);
}
