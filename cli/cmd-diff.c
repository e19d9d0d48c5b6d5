/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-diff.c - podflare diff
 *
 * Runs in the CLI.
 */
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/diff-text.h"
#include "cli/origin.h"
#include "cli/output.h"
#include "common/cleanup.h"

#define CONTEXT 3
#define CONTEXT_MAX 100000

struct opts {
	bool name_status;
	bool name_only;
	bool stat;
	bool patch;
	bool z;
	bool exit_code;
	uint64_t context;
};

static const struct opt options[] = {
	{ OPT_FLAG, 0, "name-status", NULL, "A, D, M or T and the path (the "
	  "default)", offsetof(struct opts, name_status) },
	{ OPT_FLAG, 0, "name-only", NULL, "the paths",
	  offsetof(struct opts, name_only) },
	{ OPT_FLAG, 0, "stat", NULL, "how many lines of each file",
	  offsetof(struct opts, stat) },
	{ OPT_FLAG, 'p', "patch", NULL, "the lines themselves",
	  offsetof(struct opts, patch) },
	{ OPT_NUMBER, 'U', "unified", "N", "a patch with N lines around each "
	  "change", offsetof(struct opts, context) },
	{ OPT_FLAG, 'z', NULL, NULL, "paths as they are, a NUL behind each",
	  offsetof(struct opts, z) },
	{ OPT_FLAG, 0, "exit-code", NULL, "exit with 1 when there is a "
	  "difference", offsetof(struct opts, exit_code) },
	OPT_TABLE_END,
};

struct compare {
	const struct opts *o;
	struct globals *g;
	struct side_env env;
	struct gpath_filter filter;
	struct side left, right;	/* what is named on the command line */
	struct view view;
	struct side image;
	struct side *a, *b;		/* from, to */
	struct kin kin;
	struct diff diff;
};

/* A name has no slash; behind "--" there are paths only. */
static bool has_second(const struct cmd_ctx *ctx)
{
	return ctx->split > 1 && !strchr(ctx->argv[1], '/');
}

static int check(const struct opts *o, const struct globals *g, struct err *err)
{
	bool names = o->name_status || o->name_only;

	if (names && (o->stat || o->patch || o->context))
		return err_set(err, ERR_USAGE, "diff: --%s does not go with "
			       "--stat and -p",
			       o->name_only ? "name-only" : "name-status");
	if (o->name_status && o->name_only)
		return err_set(err, ERR_USAGE,
			       "diff: either --name-status or --name-only");
	if (o->z && (o->stat || o->patch || o->context || g->json))
		return err_set(err, ERR_USAGE, "diff: -z goes with lists of "
			       "names only");
	if (g->json && (names || o->stat || o->patch || o->context))
		return err_set(err, ERR_USAGE, "diff: --json says all that "
			       "--name-status says, and no more");
	if (o->context > CONTEXT_MAX)
		return err_set(err, ERR_USAGE, "option -U: more than %d lines",
			       CONTEXT_MAX);
	return 0;
}

/* Against what it came from. */
static int list_one(struct compare *x, struct err *err)
{
	CLEANUP_ORIGIN struct origin origin = { 0 };

	x->b = &x->left;
	if (origin_of(&origin, x->b, NULL, err) < 0)
		return -1;
	if (side_look(x->b, err) < 0)
		return -1;
	if (!origin.kind) {
		if (side_open_id(&x->image, x->b, x->left.name,
				 side_target(x->b), err) < 0 ||
		    side_list(x->b, &x->filter, false, err) < 0)
			return -1;
		x->image.as_image = true;
		x->a = &x->image;
		return diff_image(&x->diff, x->b, err);
	}
	if (view_open(&x->view, &origin, x->b, err) < 0)
		return -1;
	x->a = &x->view.side;
	if (side_list(x->a, &x->filter, false, err) < 0 ||
	    side_list(x->b, &x->filter, false, err) < 0)
		return -1;
	x->kin = kin_of(&x->a->changes, &x->b->changes, origin.time);
	return diff_sides(&x->diff, x->a, x->b, &x->kin, err);
}

static int list_two(struct compare *x, struct err *err)
{
	CLEANUP_ORIGIN struct origin origin = { 0 };
	bool all = strcmp(x->left.image, x->right.image) != 0;

	x->a = &x->left;
	x->b = &x->right;
	if (!strcmp(x->a->id, x->b->id))
		return 0;
	if ((!all && origin_of(&origin, x->a, x->b, err) < 0) ||
	    side_look(x->a, err) < 0 || side_look(x->b, err) < 0 ||
	    side_list(x->a, &x->filter, all, err) < 0 ||
	    side_list(x->b, &x->filter, all, err) < 0)
		return -1;
	x->kin = kin_of(&x->a->changes, &x->b->changes, origin.time);
	return diff_sides(&x->diff, x->a, x->b, &x->kin, err);
}

static int show(struct compare *x, struct err *err)
{
	const struct opts *o = x->o;
	struct textdiff tool = { 0 };
	json_t *json;
	int rc = 0;

	if (x->g->json) {
		json = diff_json(&x->diff);
		output_json(json);
		json_decref(json);
		return 0;
	}
	if (!o->stat && !o->patch && !o->context) {
		diff_print_names(&x->diff, !o->name_only, o->z);
		return 0;
	}
	if (o->stat)
		rc = diff_print_stat(&x->diff, x->a, x->b, &tool, err);
	if (rc == 0 && (o->patch || o->context)) {
		if (o->stat && x->diff.n)
			putchar('\n');
		rc = diff_print_patch(&x->diff, x->a, x->b, &tool,
				      o->context ? (unsigned int)o->context
						 : CONTEXT, err);
	}
	textdiff_close(&tool);
	return rc;
}

static int compare(struct compare *x, struct cmd_ctx *ctx, struct err *err)
{
	bool two = has_second(ctx);

	if (side_open(&x->left, &x->env, ctx->argv[0], err) < 0)
		return -1;
	if (two && side_open(&x->right, &x->env, ctx->argv[1], err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		err->hint[0] = '\0';
		return err_hint(err, "a path begins with a slash, or stands "
				     "behind \"--\"");
	}
	if ((two ? list_two(x, err) : list_one(x, err)) < 0 ||
	    diff_settle(&x->diff, x->a, x->b, &x->kin, err) < 0)
		return -1;
	return show(x, err);
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	struct compare x = { .o = ctx->opts,
			     .g = ctx->globals,
			     .env = { .globals = ctx->globals, .sigs = &sigs },
			     .view = VIEW_INIT };
	int rc = check(x.o, x.g, err);

	for (int i = has_second(ctx) ? 2 : 1; rc == 0 && i < ctx->argc; i++)
		rc = gpath_filter_add(&x.filter, ctx->argv[i], err);
	if (rc == 0)
		rc = sigs_open_ending(&sigs, err);
	if (rc == 0)
		rc = compare(&x, ctx, err);
	if (rc == 0 && x.o->exit_code && x.diff.n)
		rc = CMD_EXIT_FAILURE;
	if (rc < 0)
		rc = side_env_signal(&x.env) ? CMD_EXIT_SIGNAL + x.env.signal
					     : -1;
	diff_free(&x.diff);
	side_free(&x.left);
	side_free(&x.right);
	side_free(&x.image);
	view_close(&x.view);
	gpath_filter_free(&x.filter);
	return rc;
}

const struct cmd cmd_diff = {
	.name = "diff",
	.summary = "Show which files differ between sandboxes, or since a fork",
	.operands = "A [B] [--] [PATH...]",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 1,
	.max = -1,
	.flags = CMD_SIGNALS,
	.run = run,
};
