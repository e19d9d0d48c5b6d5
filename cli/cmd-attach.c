/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-attach.c - podflare attach
 *
 * Runs in the CLI.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/ended.h"
#include "cli/output.h"
#include "cli/session.h"

struct opts {
	bool stdin_open;
};

static const struct opt options[] = {
	{ OPT_FLAG, 'i', "interactive", NULL, "forward our standard input",
	  offsetof(struct opts, stdin_open) },
	OPT_TABLE_END,
};

static int parse_session(const char *text, json_int_t *session,
			 struct err *err)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (!*text || *end || n < 1 || n > UINT32_MAX) {
		err_set(err, ERR_USAGE, "session \"%.64s\": is not a number",
			text);
		return err_hint(err, "`podflare show SANDBOX` lists the "
				"sessions");
	}
	*session = n;
	return 0;
}

/* Whether the session has a terminal. */
static bool has_tty(struct client *c, const char *sandbox, json_int_t session)
{
	struct err ignored = ERR_INIT;
	CLEANUP_JSON json_t *r = client_call(c, "exec.list",
					     json_pack("{s:s}", "sandbox",
						       sandbox), &ignored);
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(r, "sessions"), i, s)
		if ((json_int_t)json_number(s, "session") == session)
			return json_is_true(json_object_get(s, "tty"));
	return false;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	CLEANUP_JSON json_t *params = NULL;
	struct session_opts so = { .sigs = &sigs };
	struct session_end end;
	json_int_t session = 0;

	if (parse_session(ctx->argv[1], &session, err) < 0)
		return -1;
	params = json_pack("{s:s, s:I}", "sandbox", ctx->argv[0], "session",
			   session);
	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
			       ctx->argv[0]);
	if (client_open(&c, ctx->globals, err) < 0 || sigs_open(&sigs, err) < 0)
		return -1;
	so.tty = has_tty(&c, ctx->argv[0], session) && isatty(STDIN_FILENO);
	so.stdin_open = o->stdin_open || so.tty;
	if (client_stream(&c, "exec.attach", json_incref(params), &s, err) < 0)
		return -1;
	if (session_run(&s, &so, &end, err) < 0)
		return ended_explain(ctx->globals, ctx->argv[0], err);
	return end.code;
}

const struct cmd cmd_attach = {
	.name = "attach",
	.summary = "Go on with a command that runs detached, or ran at a fork",
	.operands = "SANDBOX SESSION",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 2,
	.max = 2,
	.flags = CMD_EXEC | CMD_SIGNALS,
	.run = run,
};
