/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-run.c - podflare run: create, exec, remove
 *
 * Runs in the CLI.
 *
 * Theory of operation: from before the sandbox is made until after it is
 * removed, signals are events of the poll loops, so there is no moment in which
 * Ctrl-C leaves a sandbox behind.  One that comes while the runner is still
 * making it waits for the answer, because only that tells the name.
 */
#include <errno.h>

#include "cli/cmds.h"
#include "cli/create.h"
#include "cli/exec.h"
#include "cli/image-push.h"
#include "cli/output.h"

struct opts {
	struct create_opts create;
	struct exec_opts exec;
	bool keep;
	bool rm;
};

static const struct opt options[] = {
	OPT_INCLUDE(exec_options, struct opts, exec),
	{ OPT_FLAG, 0, "keep", NULL, "do not remove the sandbox afterwards",
	  offsetof(struct opts, keep) },
	{ OPT_FLAG, 0, "rm", NULL, NULL, offsetof(struct opts, rm) },
	OPT_INCLUDE(create_options, struct opts, create),
	OPT_TABLE_END,
};

static int remove_sandbox(struct globals *g, struct sigs *sigs,
			  const char *name)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_JSON json_t *done = NULL;
	struct err err = ERR_INIT;

	if (client_open(&c, g, &err) == 0) {
		c.interrupt_fd = sigs->fd;
		done = client_call(&c, "sandbox.rm",
				   json_pack("{s:s, s:b}", "sandbox", name,
					     "force", 1), &err);
	}
	if (done || err.code == ERR_NOT_FOUND)
		return 0;
	output_warn(g, "sandbox %s may be left (`podflare rm %s`): %s", name,
		    name, err.msg);
	return -1;
}

/* Make it. A signal meanwhile is noted in *@sig, and the answer waited for; a
 * second one ends the waiting.
 * Return: the sandbox, NULL with @err. */
static json_t *make(struct client *c, struct sigs *sigs,
		    const struct create_opts *o, int *sig, struct err *err)
{
	json_t *params = create_params(o, err);
	json_t *sandbox;
	int64_t id;

	if (!params)
		return NULL;
	id = client_send(c, "sandbox.create", params, err);
	if (id < 0)
		return NULL;
	progress_start(&c->progress, c->globals);
	c->interrupt_fd = sigs->fd;
	for (;;) {
		int s;

		sandbox = client_wait(c, id, err);
		if (sandbox || err->code != ERR_CANCELLED)
			break;
		while ((s = sigs_read(sigs)) != 0) {
			if (s == SIGWINCH || s == SIGCONT)
				continue;
			if (*sig)
				return NULL;
			*sig = s;
			output_note(c->globals, "interrupted: removing the "
				    "sandbox as soon as it is there");
		}
	}
	c->interrupt_fd = -1;
	return sandbox;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	struct globals *g = ctx->globals;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	CLEANUP_JSON json_t *sandbox = NULL;
	struct exec_call call = { .opts = &o->exec,
				  .argv = ctx->argv,
				  .argc = ctx->argc };
	struct session_end end;
	int sig = 0, rc;

	if (client_open(&c, g, err) < 0 || sigs_open(&sigs, err) < 0)
		return -1;
	sandbox = make(&c, &sigs, &o->create, &sig, err);
	if (!sandbox && !sig && !o->create.from) {
		c.interrupt_fd = sigs.fd;
		if (image_ensure(&c, o->create.image, err) == 0)
			sandbox = make(&c, &sigs, &o->create, &sig, err);
		else if (err->code == ERR_CANCELLED)
			sig = sigs_read(&sigs);
	}
	if (!sandbox)
		return sig ? CMD_EXIT_SIGNAL + sig : -1;
	call.sandbox = json_text(sandbox, "name");
	if (sig)
		rc = CMD_EXIT_SIGNAL + sig;
	else
		rc = exec_run(&c, &call, &sigs, &end, err);
	if (o->keep)
		output_note(g, "sandbox %s is kept", call.sandbox);
	else
		remove_sandbox(g, &sigs, call.sandbox);
	return rc;
}

const struct cmd cmd_run = {
	.name = "run",
	.summary = "Run a command in a new sandbox, which is removed afterwards",
	.operands = "[--] COMMAND [ARG...]",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 1,
	.max = -1,
	.flags = CMD_LEADING | CMD_EXEC | CMD_SIGNALS,
	.run = run,
};
