/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-merge.c - podflare merge
 *
 * Runs in the CLI.  Without --files the runner does it all: the child's machine
 * takes the parent's place.
 */
#include <stdio.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/merge-files.h"
#include "cli/output.h"

struct opts {
	bool force;
	bool files;
	bool dry_run;
	bool ours;
	bool theirs;
};

static const struct opt options[] = {
	{ OPT_FLAG, 'f', "force", NULL, "also a CHILD that does not come from "
	  "PARENT", offsetof(struct opts, force) },
	{ OPT_FLAG, 0, "files", NULL, "merge the files that changed, of each "
	  "CHILD in turn", offsetof(struct opts, files) },
	{ OPT_FLAG, 'n', "dry-run", NULL, "with --files: only say what would be "
	  "done", offsetof(struct opts, dry_run) },
	{ OPT_FLAG, 0, "ours", NULL, "with --files: settle conflicts as PARENT "
	  "has it", offsetof(struct opts, ours) },
	{ OPT_FLAG, 0, "theirs", NULL, "with --files: settle conflicts as CHILD "
	  "has it", offsetof(struct opts, theirs) },
	OPT_TABLE_END,
};

/* PARENT becomes CHILD. */
static int take_place(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_JSON json_t *sandbox = NULL;
	json_t *params;

	if (o->ours || o->theirs || o->dry_run)
		return err_set(err, ERR_USAGE, "merge: --%s goes with --files",
			       o->ours ? "ours" : o->theirs ? "theirs" :
			       "dry-run");
	if (ctx->argc > 2) {
		err_set(err, ERR_USAGE, "merge: unexpected operand \"%.64s\"",
			ctx->argv[2]);
		return err_hint(err, "PARENT can become one CHILD only; with "
				"--files the files of several are merged");
	}
	params = json_pack("{s:s, s:s, s:b}", "parent", ctx->argv[0], "child",
			   ctx->argv[1], "force", (int)o->force);
	if (!params)
		return err_set(err, ERR_USAGE, "merge: a name is not UTF-8");
	sandbox = client_once(ctx->globals, "sandbox.merge", params, err);
	if (!sandbox)
		return -1;
	if (ctx->globals->json)
		output_json(sandbox);
	else
		output_name(json_text(sandbox, "name"));
	return 0;
}

/* The files of each child in turn. */
static int take_files(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	struct merge_files f = {
		.globals = ctx->globals,
		.names = ctx->argv,
		.nr_names = ctx->split,
		.paths = ctx->argv + ctx->split,
		.nr_paths = ctx->argc - ctx->split,
		.favor = o->ours ? TEXTDIFF_OURS :
			 o->theirs ? TEXTDIFF_THEIRS : TEXTDIFF_CONFLICTS,
		.dry_run = o->dry_run,
	};

	if (o->force)
		return err_set(err, ERR_USAGE,
			       "merge: --force does not go with --files");
	if (o->ours && o->theirs)
		return err_set(err, ERR_USAGE,
			       "merge: either --ours or --theirs");
	if (ctx->split < 2)
		return err_set(err, ERR_USAGE, "merge: no CHILD before \"--\"");
	for (int i = 0; i < ctx->split; i++) {
		if (!strchr(ctx->argv[i], '/'))
			continue;
		err_set(err, ERR_USAGE, "merge: \"%.200s\" is no sandbox",
			ctx->argv[i]);
		return err_hint(err, "paths stand behind \"--\"");
	}
	return merge_files(&f, err);
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;

	return o->files ? take_files(ctx, err) : take_place(ctx, err);
}

const struct cmd cmd_merge = {
	.name = "merge",
	.summary = "Let a sandbox become its fork, or merge files of forks into it",
	.operands = "PARENT CHILD... [-- PATH...]",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 2,
	.max = -1,
	.flags = CMD_SIGNALS,
	.run = run,
};
