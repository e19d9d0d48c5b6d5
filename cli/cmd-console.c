/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-console.c - podflare console
 *
 * Runs in the CLI.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/console.h"
#include "cli/output.h"

static int run(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	bool tty = isatty(STDIN_FILENO);
	int rc;

	if (console_attach(ctx->globals, ctx->argv[0], &s, err) < 0)
		return -1;
	if (tty)
		output_note(ctx->globals, "the serial console; Ctrl-] leaves "
			    "it");
	if (sigs_open(&sigs, err) < 0)
		return -1;
	rc = console_copy(&s, &sigs, true, err);
	if (rc == 0 && tty)
		fputc('\n', stderr);
	return rc;
}

const struct cmd cmd_console = {
	.name = "console",
	.summary = "Attach to a sandbox's serial console (Ctrl-] leaves it)",
	.operands = "SANDBOX",
	.min = 1,
	.max = 1,
	.run = run,
};
