/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-reset.c - podflare reset
 *
 * Runs in the CLI.
 */
#include <stdio.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/output.h"
#include "cli/size.h"

struct opts {
	bool no_safety;
};

static const struct opt options[] = {
	{ OPT_FLAG, 0, "no-safety", NULL, "do not keep a snapshot of what it was",
	  offsetof(struct opts, no_safety) },
	OPT_TABLE_END,
};

static void note_text(const struct globals *g, const json_t *sb,
		      const char *key, const char *shown)
{
	const json_t *was = json_object_get(sb, "was");

	if (strcmp(json_text(was, key), json_text(sb, key)) != 0)
		output_note(g, "%s is now %s, was %s", shown,
			    json_text(sb, key), json_text(was, key));
}

static void note_size(const struct globals *g, const json_t *sb,
		      const char *key)
{
	uint64_t old = json_number(json_object_get(sb, "was"), key);
	char now[SIZE_TEXT], was[SIZE_TEXT];

	if (old != json_number(sb, key))
		output_note(g, "%s is now %s, was %s", key,
			    size_format(json_number(sb, key), now),
			    size_format(old, was));
}

/* A machine of another kind comes with its image and sizes. */
static void note_changes(const struct globals *g, const json_t *sb)
{
	const json_t *was = json_object_get(sb, "was");

	if (strcmp(json_text(was, "image"), json_text(sb, "image")) == 0)
		note_text(g, sb, "image_digest", "the image's digest");
	note_text(g, sb, "image", "image");
	if (json_number(was, "cpus") != json_number(sb, "cpus"))
		output_note(g, "cpus is now %llu, was %llu",
			    (unsigned long long)json_number(sb, "cpus"),
			    (unsigned long long)json_number(was, "cpus"));
	note_size(g, sb, "memory");
	note_size(g, sb, "disk");
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_JSON json_t *sb = NULL;
	json_t *params = json_pack("{s:s, s:s, s:b}", "sandbox", ctx->argv[0],
				   "snapshot", ctx->argv[1], "safety",
				   (int)!o->no_safety);

	if (!params)
		return err_set(err, ERR_USAGE, "reset: a name is not UTF-8");
	sb = client_once(ctx->globals, "sandbox.reset", params, err);
	if (!sb)
		return -1;
	if (*json_text(sb, "safety"))
		output_note(ctx->globals, "what it was is snapshot %s",
			    json_text(sb, "safety"));
	note_changes(ctx->globals, sb);
	if (ctx->globals->json)
		output_json(sb);
	else
		output_name(json_text(sb, "name"));
	return 0;
}

const struct cmd cmd_reset = {
	.name = "reset",
	.summary = "Let a sandbox become what a snapshot holds",
	.operands = "SANDBOX SNAPSHOT",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 2,
	.max = 2,
	.run = run,
};
