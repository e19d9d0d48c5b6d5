/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-gc.c - podflare gc
 *
 * Runs in the CLI; the runner does it.
 */
#include <stdio.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/output.h"
#include "cli/size.h"

struct opts {
	bool check, dry_run;
};

static const struct opt options[] = {
	{ OPT_FLAG, 0, "check", NULL, "check what the store has on disk "
	  "instead", offsetof(struct opts, check) },
	{ OPT_FLAG, 'n', "dry-run", NULL, "say what would be removed",
	  offsetof(struct opts, dry_run) },
	OPT_TABLE_END,
};

/* Text from the runner; some of it is the names of files. */
static void print(const char *text)
{
	output_name(text);
}

static int run_gc(struct cmd_ctx *ctx, bool dry, struct err *err)
{
	CLEANUP_JSON json_t *r = client_once(
		ctx->globals, "runner.gc",
		json_pack("{s:b}", "dry_run", dry), err);
	char text[SIZE_TEXT];
	json_t *list, *o;
	size_t i;

	if (!r)
		return -1;
	if (ctx->globals->json) {
		output_json(r);
		return 0;
	}
	list = json_object_get(r, "removed");
	json_array_foreach(list, i, o)
		print(json_text(o, "path"));
	output_note(ctx->globals, "%zu thing%s %s, %s %s", json_array_size(list),
		    json_array_size(list) == 1 ? "" : "s",
		    dry ? "would be removed" : "removed",
		    size_format(json_number(r, "bytes"), text),
		    dry ? "would be free" : "freed");
	return 0;
}

static void print_damage(const json_t *o)
{
	char line[2048];

	snprintf(line, sizeof(line), "%s: %s: %s; cure: %s",
		 json_text(o, "what"), json_text(o, "path"),
		 json_text(o, "problem"), json_text(o, "cure"));
	print(line);
}

static int run_check(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_JSON json_t *r = client_once(ctx->globals, "runner.check",
					     NULL, err);
	char text[SIZE_TEXT];
	json_t *list, *o;
	size_t i, n;

	if (!r)
		return -1;
	list = json_object_get(r, "damage");
	n = json_array_size(list);
	if (ctx->globals->json) {
		output_json(r);
	} else {
		json_array_foreach(list, i, o)
			print_damage(o);
		output_note(ctx->globals, "%llu folders, %llu disk layers, "
			    "%llu memories, %llu images checked (%s read)",
			    (unsigned long long)json_number(r, "folders"),
			    (unsigned long long)json_number(r, "layers"),
			    (unsigned long long)json_number(r, "memories"),
			    (unsigned long long)json_number(r, "images"),
			    size_format(json_number(r, "bytes"), text));
		if (json_number(r, "layers_open"))
			output_note(ctx->globals, "%llu layers may be written "
				    "to still: of those, what is there now "
				    "was checked",
				    (unsigned long long)
				    json_number(r, "layers_open"));
	}
	if (!n)
		return 0;
	return err_set(err, ERR_IO, "%zu file%s damaged", n,
		       n == 1 ? " is" : "s are");
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;

	if (o->check && o->dry_run)
		return err_set(err, ERR_USAGE,
			       "--check removes nothing: without --dry-run");
	return o->check ? run_check(ctx, err) : run_gc(ctx, o->dry_run, err);
}

const struct cmd cmd_gc = {
	.name = "gc",
	.summary = "Remove what nobody needs, or check what is there",
	.operands = "",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.run = run,
};
