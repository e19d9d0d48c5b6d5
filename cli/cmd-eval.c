/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-eval.c - podflare eval
 *
 * Runs in the CLI.
 */
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/eval.h"
#include "cli/output.h"
#include "common/agent.h"
#include "common/suggest.h"

#define CAPTURE_MAX (64 * MIB)

struct opts {
	const char *lang;
	const char *file;
	bool stdin_open;
	uint64_t timeout_ms;
	struct opt_list env;
	bool restart;
	const char *figures;
};

static const struct opt options[] = {
	{ OPT_STRING, 'l', "lang", "LANGUAGE", "python (the default) or bash",
	  offsetof(struct opts, lang) },
	{ OPT_STRING, 'f', "file", "FILE", "the code is in this file; -: our "
	  "standard input", offsetof(struct opts, file) },
	{ OPT_FLAG, 'i', "interactive", NULL, "forward our standard input to "
	  "all that the code runs", offsetof(struct opts, stdin_open) },
	{ OPT_TIME, 0, "timeout", "TIME", "interrupt the code after this long",
	  offsetof(struct opts, timeout_ms) },
	{ OPT_LIST, 'e', "env", "K=V", "a variable, for this code; K alone: "
	  "ours", offsetof(struct opts, env) },
	{ OPT_FLAG, 0, "restart", NULL, "in a new interpreter: the old one is "
	  "given up", offsetof(struct opts, restart) },
	{ OPT_STRING, 0, "figures", "DIR", "write pictures and tables that the "
	  "code shows to this folder", offsetof(struct opts, figures) },
	OPT_TABLE_END,
};

/* Return: 1 it is the shell, 0 an interpreter, -1 with @err. */
static int check_lang(const char *lang, struct err *err)
{
	static const char *const known[] = { "python", "bash" };
	struct suggest s = { .word = lang };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(known[i], lang))
			return i == ARRAY_SIZE(known) - 1;
		suggest_offer(&s, known[i]);
	}
	err_set(err, ERR_USAGE, "eval: no language \"%s\"", lang);
	return err_hint(err, s.best ? "did you mean \"%s\"?"
				    : "there are: python, bash", s.best);
}

static int get_code(const struct cmd_ctx *ctx, struct eval_call *call,
		    struct buf *code, struct err *err)
{
	const struct opts *o = ctx->opts;
	const char *text = ctx->argc > 1 ? ctx->argv[1] : NULL;
	bool from_stdin = !text && (!o->file || !strcmp(o->file, "-"));

	if (text && o->file)
		return err_set(err, ERR_USAGE, "eval: the code is given, and a "
			       "file with it too");
	if (from_stdin && o->stdin_open)
		return err_set(err, ERR_USAGE, "eval: -i has no standard input "
			       "left, the code comes from there");
	call->stdin_open = o->stdin_open;
	call->ask = !from_stdin;
	code->max = AGENT_CODE_MAX;
	if (text)
		return buf_append(code, text, strlen(text));
	if (!from_stdin)
		call->name = o->file;
	else if (isatty(STDIN_FILENO))
		output_note(ctx->globals, "the code comes from the terminal, up "
			    "to Ctrl-D");
	return eval_read(o->file, code, err);
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	CLEANUP_BUF struct buf code = BUF_INIT;
	CLEANUP_BUF struct buf out = { .max = CAPTURE_MAX };
	CLEANUP_BUF struct buf errors = { .max = CAPTURE_MAX };
	CLEANUP_DISPLAYS struct displays displays = DISPLAYS_INIT;
	struct buf capture[2];
	struct eval_call call = { .sandbox = ctx->argv[0],
				  .lang = o->lang ? o->lang : "python",
				  .code = &code,
				  .env = &o->env,
				  .timeout_ms = o->timeout_ms,
				  .restart = o->restart };
	struct session_end end = { 0 };
	int shell = check_lang(call.lang, err), rc;

	if (shell < 0 || get_code(ctx, &call, &code, err) < 0)
		return -1;
	capture[0] = out;
	capture[1] = errors;
	if (ctx->globals->json)
		call.capture = capture;
	if (o->figures || ctx->globals->json)
		call.displays = &displays;
	if (client_open(&c, ctx->globals, err) < 0 || sigs_open(&sigs, err) < 0)
		return -1;
	rc = (shell ? eval_shell : eval_run)(&c, &call, &sigs, &end, err);
	out = capture[0];
	errors = capture[1];
	if (rc >= 0 && o->figures &&
	    displays_write(&displays, ctx->globals, o->figures, err) < 0)
		return -1;
	if (rc >= 0 && call.capture)
		eval_print(capture, &displays, &end, rc);
	return rc;
}

const struct cmd cmd_eval = {
	.name = "eval",
	.summary = "Run code in a sandbox's interpreter, which keeps its state",
	.operands = "SANDBOX [CODE]",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 1,
	.max = 2,
	.flags = CMD_EXEC | CMD_SIGNALS,
	.run = run,
};
