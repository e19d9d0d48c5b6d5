/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-pause.c - podflare pause, podflare resume
 *
 * Runs in the CLI.
 */
#include "cli/cmds.h"
#include "cli/each.h"

static int run_pause(struct cmd_ctx *ctx, struct err *err)
{
	return call_each(ctx, "sandbox.pause", NULL, err);
}

static int run_resume(struct cmd_ctx *ctx, struct err *err)
{
	return call_each(ctx, "sandbox.resume", NULL, err);
}

const struct cmd cmd_pause = {
	.name = "pause",
	.summary = "Stop sandboxes where they are",
	.operands = "SANDBOX...",
	.min = 1,
	.max = -1,
	.run = run_pause,
};

const struct cmd cmd_resume = {
	.name = "resume",
	.summary = "Let paused sandboxes go on",
	.operands = "SANDBOX...",
	.min = 1,
	.max = -1,
	.run = run_resume,
};
