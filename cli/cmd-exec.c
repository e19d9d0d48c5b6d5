/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-exec.c - podflare exec
 *
 * Runs in the CLI.
 */
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/exec.h"
#include "cli/output.h"

struct opts {
	struct exec_opts exec;
	bool detach;
	struct opt_list env;
};

static const struct opt options[] = {
	OPT_INCLUDE(exec_options, struct opts, exec),
	{ OPT_LIST, 'e', "env", "K=V", "a variable of the command; K alone: "
	  "ours", offsetof(struct opts, env) },
	{ OPT_FLAG, 'd', "detach", NULL, "leave it running, print its session",
	  offsetof(struct opts, detach) },
	OPT_TABLE_END,
};

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	int skip = !strcmp(ctx->argv[1], "--") ? 2 : 1;
	struct exec_call call = { .sandbox = ctx->argv[0],
				  .opts = &o->exec,
				  .env = &o->env,
				  .argv = ctx->argv + skip,
				  .argc = ctx->argc - skip,
				  .keep = o->detach };
	struct session_end end;
	int rc;

	if (!call.argc)
		return err_set(err, ERR_USAGE, "exec: which command?");
	if (o->detach && o->exec.stdin_open)
		return err_set(err, ERR_USAGE,
			       "exec: -d and -i exclude each other");
	if (client_open(&c, ctx->globals, err) < 0 || sigs_open(&sigs, err) < 0)
		return -1;
	rc = exec_run(&c, &call, &sigs, &end, err);
	if (rc < 0 || !o->detach)
		return rc;
	if (ctx->globals->json)
		printf("{\"session\": %u}\n", end.session);
	else
		printf("%u\n", end.session);
	return 0;
}

const struct cmd cmd_exec = {
	.name = "exec",
	.summary = "Run a command in a sandbox",
	.operands = "SANDBOX [--] COMMAND [ARG...]",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 2,
	.max = -1,
	.flags = CMD_LEADING | CMD_EXEC | CMD_SIGNALS,
	.run = run,
};
