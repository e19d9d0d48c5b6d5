/* SPDX-License-Identifier: MIT */
/*
 * cli/each.c - one call for each of the sandboxes that were named
 *
 * Runs in the CLI.
 */
#include "cli/each.h"

#include <stdio.h>

#include "cli/client.h"
#include "cli/output.h"

/* See each.h. */
int call_each(struct cmd_ctx *ctx, const char *method, json_t *more,
	      struct err *err)
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
		if (more)
			json_object_update(params, more);
		sandbox = client_call(&c, method, params, err);
		if (!sandbox)
			return -1;
		if (!ctx->globals->json) {
			output_name(json_text(sandbox, "name"));
			fflush(stdout);
		}
		json_array_append_new(list, sandbox);
	}
	if (ctx->globals->json)
		output_json(list);
	return 0;
}
