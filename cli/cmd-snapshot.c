/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-snapshot.c - podflare snapshot create, ls, show, rm
 *
 * Runs in the CLI.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/output.h"
#include "cli/size.h"
#include "cli/term.h"

static const struct column columns[] = {
	{ "NAME", .flexible = true }, { "SANDBOX", .flexible = true },
	{ "IMAGE", .flexible = true }, { "MEMORY", .right = true },
	{ "SIZE", .right = true },     { "AGE", .right = true },
};

static int run_create(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_JSON json_t *snapshot = NULL;
	json_t *params = ctx->argc > 1
		? json_pack("{s:s, s:s}", "sandbox", ctx->argv[0], "name",
			    ctx->argv[1])
		: json_pack("{s:s}", "sandbox", ctx->argv[0]);

	if (!params)
		return err_set(err, ERR_USAGE, "snapshot create: not UTF-8");
	snapshot = client_once(ctx->globals, "snapshot.create", params, err);
	if (!snapshot)
		return -1;
	if (ctx->globals->json)
		output_json(snapshot);
	else
		output_name(json_text(snapshot, "name"));
	return 0;
}

static void add_row(struct table *t, const json_t *s)
{
	char text[SIZE_TEXT];

	table_cell(t, json_text(s, "name"));
	table_cell(t, json_text(s, "sandbox_name"));
	table_cell(t, json_text(s, "image"));
	table_cell(t, size_format(json_number(s, "memory"), text));
	table_cell(t, size_format(json_number(s, "size"), text));
	table_cell(t, age_format(json_text(s, "created"), time(NULL), text));
}

static int run_ls(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_JSON json_t *result =
		client_once(ctx->globals, "snapshot.list", NULL, err);
	CLEANUP_TABLE struct table t;
	json_t *list, *s;
	size_t i;

	table_init(&t, columns, ARRAY_SIZE(columns));
	if (!result)
		return -1;
	list = json_object_get(result, "snapshots");
	if (ctx->globals->json) {
		output_json(list);
		return 0;
	}
	json_array_foreach(list, i, s) {
		if (ctx->globals->quiet)
			output_name(json_text(s, "name"));
		else
			add_row(&t, s);
	}
	if (!ctx->globals->quiet)
		table_print(&t, stdout, term_columns(STDOUT_FILENO));
	return 0;
}

static void line(const char *title, const char *text)
{
	if (*text) {
		printf("%-10s", title);
		output_name(text);
	}
}

static void pairs(const char *title, json_t *obj)
{
	const char *key;
	json_t *v;

	json_object_foreach(obj, key, v) {
		char text[512];

		snprintf(text, sizeof(text), "%s=%s", key,
			 json_string_value(v) ? json_string_value(v) : "");
		line(title, text);
		title = "";
	}
}

static void show(const json_t *s)
{
	char text[SIZE_TEXT], cpus[24];

	line("name", json_text(s, "name"));
	line("id", json_text(s, "id"));
	line("reason", json_text(s, "reason"));
	line("how", json_text(s, "how"));
	line("sandbox", json_text(s, "sandbox_name"));
	line("created", json_text(s, "created"));
	line("image", json_text(s, "image"));
	line("digest", json_text(s, "image_digest"));
	line("kernel", json_text(s, "kernel"));
	snprintf(cpus, sizeof(cpus), "%u",
		 (unsigned int)json_number(s, "cpus"));
	line("cpus", cpus);
	line("memory", size_format(json_number(s, "memory"), text));
	line("disk", size_format(json_number(s, "disk"), text));
	line("size", size_format(json_number(s, "size"), text));
	pairs("env", json_object_get(s, "env"));
	pairs("labels", json_object_get(s, "labels"));
}

static int run_show(struct cmd_ctx *ctx, struct err *err)
{
	json_t *params = json_pack("{s:s}", "snapshot", ctx->argv[0]);
	CLEANUP_JSON json_t *s = NULL;

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
			       ctx->argv[0]);
	s = client_once(ctx->globals, "snapshot.show", params, err);
	if (!s)
		return -1;
	if (ctx->globals->json)
		output_json(s);
	else
		show(s);
	return 0;
}

static int run_rm(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;

	if (client_open(&c, ctx->globals, err) < 0)
		return -1;
	for (int i = 0; i < ctx->argc; i++) {
		json_t *params = json_pack("{s:s}", "snapshot", ctx->argv[i]);
		CLEANUP_JSON json_t *done = NULL;

		if (!params)
			return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
				       ctx->argv[i]);
		done = client_call(&c, "snapshot.rm", params, err);
		if (!done)
			return -1;
		if (!ctx->globals->json) {
			output_name(ctx->argv[i]);
			fflush(stdout);
		}
	}
	return 0;
}

static const struct cmd cmd_create_ = {
	.name = "create",
	.summary = "Make a snapshot of a sandbox, which goes on",
	.operands = "SANDBOX [NAME]",
	.min = 1,
	.max = 2,
	.run = run_create,
};

static const struct cmd cmd_ls_ = {
	.name = "ls",
	.summary = "List the snapshots (with -q their names alone)",
	.operands = "",
	.run = run_ls,
};

static const struct cmd cmd_show_ = {
	.name = "show",
	.summary = "Show a snapshot's details",
	.operands = "SNAPSHOT",
	.min = 1,
	.max = 1,
	.run = run_show,
};

static const struct cmd cmd_rm_ = {
	.name = "rm",
	.summary = "Remove snapshots",
	.operands = "SNAPSHOT...",
	.min = 1,
	.max = -1,
	.run = run_rm,
};

static const struct cmd *const subs[] = {
	&cmd_create_, &cmd_ls_, &cmd_show_, &cmd_rm_, &cmd_snapshot_export,
	&cmd_snapshot_import, NULL,
};

const struct cmd cmd_snapshot = {
	.name = "snapshot",
	.summary = "Make, list, show, export, import and remove snapshots",
	.operands = "",
	.subs = subs,
};
