/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-shell.c - podflare shell
 *
 * Runs in the CLI.
 */
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/exec.h"

struct opts {
	const char *cwd;
	const char *user;
	struct opt_list env;
};

static const struct opt options[] = {
	{ OPT_STRING, 'w', "workdir", "DIR", "start in this directory",
	  offsetof(struct opts, cwd) },
	{ OPT_STRING, 'u', "user", "USER", "log in as this user",
	  offsetof(struct opts, user) },
	{ OPT_LIST, 'e', "env", "K=V", "a variable of the shell; K alone: ours",
	  offsetof(struct opts, env) },
	OPT_TABLE_END,
};

static int run(struct cmd_ctx *ctx, struct err *err)
{
	/* The agent sets SHELL to what the user's passwd entry says. */
	static char *login[] = { "/bin/sh", "-c",
				 "exec \"${SHELL:-/bin/sh}\" -l", NULL };
	const struct opts *o = ctx->opts;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	struct exec_opts exec = { .stdin_open = true,
				  .tty = isatty(STDIN_FILENO),
				  .cwd = o->cwd,
				  .user = o->user };
	struct exec_call call = { .sandbox = ctx->argv[0],
				  .opts = &exec,
				  .env = &o->env,
				  .argv = login,
				  .argc = ARRAY_SIZE(login) - 1 };
	struct session_end end;

	if (client_open(&c, ctx->globals, err) < 0 || sigs_open(&sigs, err) < 0)
		return -1;
	return exec_run(&c, &call, &sigs, &end, err);
}

const struct cmd cmd_shell = {
	.name = "shell",
	.summary = "Open a login shell in a sandbox",
	.operands = "SANDBOX",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 1,
	.max = 1,
	.flags = CMD_EXEC | CMD_SIGNALS,
	.run = run,
};
