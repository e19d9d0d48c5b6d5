/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-log.c - podflare log
 *
 * Runs in the CLI.  The newest event comes first, as in git.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/log-graph.h"
#include "cli/output.h"
#include "cli/text.h"

struct opts {
	bool graph;
};

static const struct opt options[] = {
	{ OPT_FLAG, 0, "graph", NULL, "draw which sandbox came from which",
	  offsetof(struct opts, graph) },
	OPT_TABLE_END,
};

/* In local time; as it is, when it is none. */
static void show_time(const char *text)
{
	struct tm tm = { 0 };
	char out[32];
	time_t t;

	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)) {
		text_write(stdout, text, strlen(text), TEXT_ONE_LINE);
		return;
	}
	t = timegm(&tm);
	localtime_r(&t, &tm);
	strftime(out, sizeof(out), "%Y-%m-%d %H:%M:%S", &tm);
	fputs(out, stdout);
}

static void show_text(const char *s)
{
	text_write(stdout, s, strlen(s), TEXT_ONE_LINE);
}

static void show_event(const json_t *event)
{
	const char *what = json_text(event, "what");
	const char *other = json_text(event, "parent_name");
	const char *snapshot = json_text(event, "snapshot_name");

	show_time(json_text(event, "time"));
	fputs("  ", stdout);
	show_text(what);
	printf("%*s", strlen(what) < 7 ? (int)(7 - strlen(what)) : 1, "");
	show_text(json_text(event, "name"));
	if (*other) {
		fputs(strncmp(what, "merge", 5) == 0 ? " into " : " from ",
		      stdout);
		show_text(other);
	}
	if (*snapshot) {
		fputs(strcmp(what, "snapshot") == 0 ? " as " :
		      strcmp(what, "reset") == 0 ? " to " : " from ", stdout);
		show_text(snapshot);
	}
	fputc('\n', stdout);
}

static int show_all(const json_t *list, bool graph, struct err *err)
{
	CLEANUP_LOG_GRAPH struct log_graph g = { .n = 0 };

	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *event = json_array_get(list, i);

		if (graph && log_graph_before(&g, event, stdout) < 0)
			return err_set(err, ERR_NO_MEMORY, "log");
		show_event(event);
		if (graph)
			log_graph_after(&g, event, stdout);
	}
	return 0;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_JSON json_t *result = NULL;
	json_t *params = ctx->argc ? json_pack("{s:s}", "sandbox",
					       ctx->argv[0]) : json_object();

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
			       ctx->argv[0]);
	result = client_once(ctx->globals, "sandbox.log", params, err);
	if (!result)
		return -1;
	if (ctx->globals->json) {
		output_json(json_object_get(result, "events"));
		return 0;
	}
	if (show_all(json_object_get(result, "events"), o->graph, err) < 0)
		return -1;
	if (json_is_true(json_object_get(result, "truncated")))
		output_note(ctx->globals, "older events are not shown");
	return 0;
}

const struct cmd cmd_log = {
	.name = "log",
	.summary = "Show which sandbox came from which, and when",
	.operands = "[SANDBOX]",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.max = 1,
	.run = run,
};
