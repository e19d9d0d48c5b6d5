/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-touch.c - podflare touch
 *
 * Runs in the CLI.
 */
#include "cli/cmds.h"
#include "cli/each.h"

static int run(struct cmd_ctx *ctx, struct err *err)
{
	return call_each(ctx, "sandbox.touch", NULL, err);
}

const struct cmd cmd_touch = {
	.name = "touch",
	.summary = "Let the idle time of sandboxes begin anew",
	.operands = "SANDBOX...",
	.min = 1,
	.max = -1,
	.run = run,
};
