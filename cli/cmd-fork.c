/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-fork.c - podflare fork
 *
 * Runs in the CLI.
 */
#include <stdio.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/exec.h"
#include "cli/output.h"

struct opts {
	const char *n;
	const char *name;
	struct opt_list env;
};

static const struct opt options[] = {
	{ OPT_STRING, 'n', "number", "N", "how many, 1 to 1000 (default: 1)",
	  offsetof(struct opts, n) },
	{ OPT_STRING, 0, "name", "NAME", "its name; with several NAME-1, NAME-2 "
	  "and so on", offsetof(struct opts, name) },
	{ OPT_LIST, 'e', "env", "K=V", "a variable of every command; K alone: "
	  "ours", offsetof(struct opts, env) },
	OPT_TABLE_END,
};

/* How many are too many is the runner's to say. */
static json_t *number(const char *text, struct err *err)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (*text && !*end && n >= 1 && n <= 1000000000)
		return json_integer(n);
	err_set(err, ERR_USAGE, "fork: -n \"%.64s\" is not a number from 1 "
		"to 1000", text);
	return NULL;
}

static json_t *make_params(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_JSON json_t *params = json_pack("{s:s}", "sandbox",
						ctx->argv[0]);
	CLEANUP_JSON json_t *env = env_object(&o->env, err);
	json_t *v;

	if (!env)
		return NULL;
	if (!params || (o->name &&
			json_object_set_new(params, "name",
					    json_string(o->name)) < 0)) {
		err_set(err, ERR_USAGE, "fork: a name is not UTF-8");
		return NULL;
	}
	if (o->n) {
		v = number(o->n, err);
		if (!v)
			return NULL;
		json_object_set_new(params, "n", v);
	}
	if (json_object_size(env))
		json_object_set(params, "env", env);
	return json_incref(params);
}

/* Return: how many are none. */
static int show(const struct globals *g, json_t *children)
{
	json_t *sb, *e;
	int failed = 0;
	size_t i;

	json_array_foreach(children, i, sb) {
		struct err err = ERR_INIT;

		e = json_object_get(sb, "error");
		if (!e) {
			if (!g->json)
				output_name(json_text(sb, "name"));
			continue;
		}
		failed++;
		err_set(&err, err_code_parse(json_text(e, "code")), "%s",
			json_text(e, "message"));
		if (*json_text(e, "hint"))
			err_hint(&err, "%s", json_text(e, "hint"));
		if (!g->json)
			output_error(g, &err);
	}
	return failed;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_JSON json_t *params = make_params(ctx, err);
	CLEANUP_JSON json_t *result = NULL;

	if (!params)
		return -1;
	result = client_once(ctx->globals, "sandbox.fork", json_incref(params),
			     err);
	if (!result)
		return -1;
	if (ctx->globals->json)
		output_json(result);
	return show(ctx->globals, json_object_get(result, "children"))
		? CMD_EXIT_FAILURE : 0;
}

const struct cmd cmd_fork = {
	.name = "fork",
	.summary = "Make live copies of a running sandbox, print their names",
	.operands = "SANDBOX",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 1,
	.max = 1,
	.run = run,
};
