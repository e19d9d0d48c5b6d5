/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-freeze.c - podflare freeze, podflare thaw
 *
 * Runs in the CLI.
 */
#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/each.h"

struct thaw_opts {
	bool boot;
};

static const struct opt thaw_options[] = {
	{ OPT_FLAG, 0, "boot", NULL, "give up what it has in memory, boot from "
	  "its disk", offsetof(struct thaw_opts, boot) },
	OPT_TABLE_END,
};

static int run_freeze(struct cmd_ctx *ctx, struct err *err)
{
	return call_each(ctx, "sandbox.freeze", NULL, err);
}

static int run_thaw(struct cmd_ctx *ctx, struct err *err)
{
	const struct thaw_opts *o = ctx->opts;
	CLEANUP_JSON json_t *more = json_object();

	if (o->boot)
		json_object_set_new(more, "boot", json_true());
	return call_each(ctx, "sandbox.thaw", more, err);
}

const struct cmd cmd_freeze = {
	.name = "freeze",
	.summary = "Put running sandboxes on disk, and free their memory",
	.operands = "SANDBOX...",
	.min = 1,
	.max = -1,
	.run = run_freeze,
};

const struct cmd cmd_thaw = {
	.name = "thaw",
	.summary = "Let frozen sandboxes go on",
	.operands = "SANDBOX...",
	.opts = thaw_options,
	.opts_size = sizeof(struct thaw_opts),
	.min = 1,
	.max = -1,
	.run = run_thaw,
};
