/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-show.c - podflare show
 *
 * Runs in the CLI.  Distrusts the figures that come from inside the sandbox for
 * form: all is shown through text_clean().
 */
#include <stdio.h>
#include <time.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/origin-show.h"
#include "cli/output.h"
#include "cli/size.h"
#include "cli/text.h"

static void line(const char *key, const char *value)
{
	if (!*value)
		return;
	printf("%-14s", key);
	text_write(stdout, value, strlen(value), TEXT_ONE_LINE);
	fputc('\n', stdout);
}

static void size_line(const char *key, const json_t *obj, const char *member)
{
	char text[SIZE_TEXT];

	if (json_object_get(obj, member))
		line(key, size_format(json_number(obj, member), text));
}

static void number_line(const char *key, const json_t *obj, const char *member)
{
	char text[24];

	if (!json_is_integer(json_object_get(obj, member)))
		return;
	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)json_number(obj, member));
	line(key, text);
}

static void pairs(const char *key, json_t *obj)
{
	const char *name;
	json_t *value;

	json_object_foreach(obj, name, value) {
		const char *s = json_string_value(value);
		char text[512];

		snprintf(text, sizeof(text), "%s=%s", name, s ? s : "");
		line(key, text);
		key = "";
	}
}

static void sessions(const json_t *list)
{
	const json_t *s;
	size_t i;

	json_array_foreach((json_t *)list, i, s) {
		json_t *cmd = json_object_get(s, "cmd");
		char text[256];

		snprintf(text, sizeof(text), "%u  %s  %.200s",
			 (unsigned int)json_number(s, "session"),
			 json_is_true(json_object_get(s, "running"))
				 ? "running" : "ended",
			 json_string_value(json_array_get(cmd, 0))
				 ? json_string_value(json_array_get(cmd, 0))
				 : "");
		line(i ? "" : "sessions:", text);
	}
}

static void guest(const json_t *g)
{
	size_line("  memory:", g, "mem_total");
	size_line("  free:", g, "mem_free");
	size_line("  disk:", g, "disk_total");
	size_line("  free:", g, "disk_free");
	number_line("  processes:", g, "procs");
	number_line("  OOM kills:", g, "oom_kills");
	line("  load:", json_text(g, "load"));
}

static void idle_line(const json_t *sb)
{
	char text[64];

	if (!json_object_get(sb, "idle_timeout_ms"))
		return;
	snprintf(text, sizeof(text), "after %llu s: %.16s",
		 (unsigned long long)json_number(sb, "idle_timeout_ms") / 1000,
		 json_text(sb, "on_idle"));
	line("when idle:", text);
}

static void show(const json_t *sb)
{
	char age[SIZE_TEXT], text[96];
	const char *tail = json_text(sb, "console_tail");

	line("name:", json_text(sb, "name"));
	line("id:", json_text(sb, "id"));
	line("state:", json_text(sb, "state"));
	line("reason:", json_text(sb, "reason"));
	line("image:", json_text(sb, "image"));
	line("digest:", json_text(sb, "image_digest"));
	age_format(json_text(sb, "created"), time(NULL), age);
	snprintf(text, sizeof(text), "%.48s (%s ago)", json_text(sb, "created"),
		 age);
	line("created:", text);
	number_line("cpus:", sb, "cpus");
	size_line("memory:", sb, "memory");
	size_line("disk:", sb, "disk");
	size_line("disk used:", sb, "disk_used");
	if (json_object_get(sb, "memory_saved"))
		size_line("saved:", sb, "memory_saved");
	idle_line(sb);
	line("kernel:", json_text(sb, "kernel"));
	number_line("pid:", sb, "pid");
	pairs("env:", json_object_get(sb, "env"));
	pairs("labels:", json_object_get(sb, "labels"));
	origin_show(sb);
	sessions(json_object_get(sb, "sessions"));
	if (json_is_object(json_object_get(sb, "guest"))) {
		printf("inside:\n");
		guest(json_object_get(sb, "guest"));
	}
	if (*tail) {
		printf("console's last lines:\n");
		text_write(stdout, tail, strlen(tail), TEXT_MANY_LINES);
		if (tail[strlen(tail) - 1] != '\n')
			fputc('\n', stdout);
	}
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	json_t *params = json_pack("{s:s}", "sandbox", ctx->argv[0]);
	CLEANUP_JSON json_t *sb = NULL;

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
			       ctx->argv[0]);
	sb = client_once(ctx->globals, "sandbox.show", params, err);
	if (!sb)
		return -1;
	if (ctx->globals->json)
		output_json(sb);
	else
		show(sb);
	return 0;
}

const struct cmd cmd_show = {
	.name = "show",
	.summary = "Show what is known about a sandbox",
	.operands = "SANDBOX",
	.min = 1,
	.max = 1,
	.run = run,
};
