/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-create.c - podflare create
 *
 * Runs in the CLI.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/create.h"
#include "cli/image-push.h"
#include "cli/output.h"

/* Somebody's first sandbox: what can be done with it. */
static void show_next(struct client *c, const char *name)
{
	struct err ignored = ERR_INIT;
	CLEANUP_JSON json_t *list = NULL;

	if (c->globals->quiet || !isatty(STDERR_FILENO) ||
	    !isatty(STDOUT_FILENO))
		return;
	list = client_call(c, "sandbox.list", NULL, &ignored);
	if (json_array_size(json_object_get(list, "sandboxes")) == 1)
		output_note(c->globals, "it is running; try `podflare shell "
			    "%s`, end it with `podflare rm %s`", name, name);
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct create_opts *o = ctx->opts;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_JSON json_t *params = create_params(o, err);
	CLEANUP_JSON json_t *sandbox = NULL;

	if (!params || client_open(&c, ctx->globals, err) < 0)
		return -1;
	sandbox = client_call(&c, "sandbox.create", json_incref(params), err);
	if (!sandbox && !o->from && image_ensure(&c, o->image, err) == 0)
		sandbox = client_call(&c, "sandbox.create",
				      json_incref(params), err);
	if (!sandbox)
		return -1;
	if (ctx->globals->json) {
		output_json(sandbox);
		return 0;
	}
	output_name(json_text(sandbox, "name"));
	fflush(stdout);
	show_next(&c, json_text(sandbox, "name"));
	return 0;
}

const struct cmd cmd_create = {
	.name = "create",
	.summary = "Make a new sandbox and print its name",
	.operands = "",
	.opts = create_options,
	.opts_size = sizeof(struct create_opts),
	.run = run,
};
