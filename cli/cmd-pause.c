/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-pause.c - podflare pause, podflare resume
 *
 * Runs in the CLI.
 */
#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/output.h"

static int call_each(struct cmd_ctx *ctx, const char *method, struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_JSON json_t *list = json_array();

	if (client_open(&c, ctx->globals, err) < 0)
		return -1;
	for (int i = 0; i < ctx->argc; i++) {
		json_t *params = json_pack("{s:s}", "sandbox", ctx->argv[i]);
		json_t *sandbox;

		if (!params)
			return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
				       ctx->argv[i]);
		sandbox = client_call(&c, method, params, err);
		if (!sandbox)
			return -1;
		if (!ctx->globals->json)
			output_name(json_text(sandbox, "name"));
		json_array_append_new(list, sandbox);
	}
	if (ctx->globals->json)
		output_json(list);
	return 0;
}

static int run_pause(struct cmd_ctx *ctx, struct err *err)
{
	return call_each(ctx, "sandbox.pause", err);
}

static int run_resume(struct cmd_ctx *ctx, struct err *err)
{
	return call_each(ctx, "sandbox.resume", err);
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
