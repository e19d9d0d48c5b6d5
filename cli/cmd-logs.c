/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-logs.c - podflare logs
 *
 * Runs in the CLI.  Distrusts the text: it is the guest's, and is shown with
 * its control characters made visible.
 */
#include <stdio.h>

#include "cli/cmds.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/size.h"
#include "cli/text.h"

struct opts {
	bool follow;
	bool vmm;
	const char *tail;
};

static const struct opt options[] = {
	{ OPT_FLAG, 'f', "follow", NULL, "go on until Ctrl-C",
	  offsetof(struct opts, follow) },
	{ OPT_STRING, 0, "tail", "N", "only the last N lines",
	  offsetof(struct opts, tail) },
	{ OPT_FLAG, 0, "vmm", NULL, "the virtual machine monitor's own log",
	  offsetof(struct opts, vmm) },
	OPT_TABLE_END,
};

static int print_log(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_JSON json_t *params = json_pack("{s:s}", "sandbox",
						ctx->argv[0]);
	CLEANUP_JSON json_t *logs = NULL;
	const char *text;
	uint64_t tail = 0;

	if (o->tail && number_parse(o->tail, &tail, err) < 0)
		return err_context(err, "option --tail");
	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
			       ctx->argv[0]);
	if (o->tail)
		json_object_set_new(params, "tail",
				    json_integer((json_int_t)MIN(tail, 1u << 30)));
	logs = client_once(ctx->globals, "sandbox.logs", json_incref(params),
			   err);
	if (!logs)
		return -1;
	if (ctx->globals->json) {
		output_json(logs);
		return 0;
	}
	text = json_text(logs, o->vmm ? "vmm" : "console");
	text_write(stdout, text, strlen(text), TEXT_MANY_LINES);
	if (*text && text[strlen(text) - 1] != '\n' && !o->follow)
		fputc('\n', stdout);
	return 0;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;

	if (o->follow && (o->vmm || ctx->globals->json))
		return err_set(err, ERR_USAGE,
			       "logs: -f follows the console as text only");
	if (!o->follow)
		return print_log(ctx, err);
	/* attached first: a line may come twice, none is lost */
	if (console_attach(ctx->globals, ctx->argv[0], &s, err) < 0 ||
	    print_log(ctx, err) < 0 || sigs_open(&sigs, err) < 0)
		return -1;
	return console_copy(&s, &sigs, false, err);
}

const struct cmd cmd_logs = {
	.name = "logs",
	.summary = "Print what a sandbox wrote to its console",
	.operands = "SANDBOX",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 1,
	.max = 1,
	.run = run,
};
