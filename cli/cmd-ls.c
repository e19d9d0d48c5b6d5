/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-ls.c - podflare ls
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
	{ "NAME", .flexible = true }, { "STATE" },
	{ "IMAGE", .flexible = true }, { "CPUS", .right = true },
	{ "MEMORY", .right = true },   { "DISK USED", .right = true },
	{ "AGE", .right = true },
};

static void add_row(struct table *t, const json_t *sb)
{
	char text[SIZE_TEXT];

	table_cell(t, json_text(sb, "name"));
	table_cell(t, json_text(sb, "state"));
	table_cell(t, json_text(sb, "image"));
	table_cellf(t, "%u", (unsigned int)json_number(sb, "cpus"));
	table_cell(t, size_format(json_number(sb, "memory"), text));
	table_cell(t, size_format(json_number(sb, "disk_used"), text));
	table_cell(t, age_format(json_text(sb, "created"), time(NULL), text));
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_JSON json_t *result =
		client_once(ctx->globals, "sandbox.list", NULL, err);
	CLEANUP_TABLE struct table t;
	json_t *list, *sb;
	size_t i;

	table_init(&t, columns, ARRAY_SIZE(columns));
	if (!result)
		return -1;
	list = json_object_get(result, "sandboxes");
	if (ctx->globals->json) {
		output_json(list);
		return 0;
	}
	json_array_foreach(list, i, sb) {
		if (ctx->globals->quiet)
			output_name(json_text(sb, "name"));
		else
			add_row(&t, sb);
	}
	if (!ctx->globals->quiet)
		table_print(&t, stdout, term_columns(STDOUT_FILENO));
	return 0;
}

const struct cmd cmd_ls = {
	.name = "ls",
	.summary = "List the sandboxes (with -q their names alone)",
	.operands = "",
	.run = run,
};
