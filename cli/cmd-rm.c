/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-rm.c - podflare rm
 *
 * Runs in the CLI.
 */
#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/output.h"

struct opts {
	bool force;
};

static const struct opt options[] = {
	{ OPT_FLAG, 'f', "force", NULL, "also when it does not answer; none "
	  "of that name is no error", offsetof(struct opts, force) },
	OPT_TABLE_END,
};

/* Return: 1 when there was none of that name, which is fine, 0, or -1. */
static int remove_one(struct client *c, const char *name, bool force,
		      struct err *err)
{
	CLEANUP_JSON json_t *params = json_pack("{s:s}", "sandbox", name);
	CLEANUP_JSON json_t *done = NULL;

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", name);
	if (force)
		json_object_set_new(params, "force", json_true());
	done = client_call(c, "sandbox.rm", json_incref(params), err);
	if (done)
		return 0;
	return force && err->code == ERR_NOT_FOUND ? 1 : -1;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_JSON json_t *removed = json_array();
	int failed = 0;

	if (client_open(&c, ctx->globals, err) < 0)
		return -1;
	for (int i = 0; i < ctx->argc; i++) {
		struct err one = ERR_INIT;
		int rc = remove_one(&c, ctx->argv[i], o->force, &one);

		if (rc == 0)
			json_array_append_new(removed,
					      json_string(ctx->argv[i]));
		if (rc >= 0)
			continue;
		/* the last error is main's to print */
		if (failed++)
			output_error(ctx->globals, err);
		*err = one;
		if (one.code == ERR_UNAVAILABLE)
			break;
	}
	if (ctx->globals->json)
		output_json(removed);
	else
		for (size_t i = 0; i < json_array_size(removed); i++)
			output_name(json_string_value(
				json_array_get(removed, i)));
	return failed ? -1 : 0;
}

const struct cmd cmd_rm = {
	.name = "rm",
	.summary = "Remove sandboxes, running or not",
	.operands = "SANDBOX...",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 1,
	.max = -1,
	.run = run,
};
