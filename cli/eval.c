/* SPDX-License-Identifier: MIT */
/*
 * cli/eval.c - run code in a sandbox's interpreters
 *
 * Runs in the CLI.  Distrusts what the code puts out: in JSON it is clean UTF-8.
 */
#include "cli/eval.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/ended.h"
#include "cli/exec.h"
#include "cli/output.h"
#include "cli/size.h"
#include "common/agent.h"
#include "common/cleanup.h"

#define SHELL_CODE_MAX (128 * 1024 - 1)	/* of one argument, in Linux */

/* See eval.h. */
int eval_read(const char *file, struct buf *code, struct err *err)
{
	const char *what = file && strcmp(file, "-") ? file : "standard input";
	CLEANUP_FD int own = -1;
	ssize_t n;

	if (file && strcmp(file, "-")) {
		own = open(file, O_RDONLY | O_CLOEXEC);
		if (own < 0)
			return err_sys(err, errno, "%s", file);
	}
	code->max = AGENT_CODE_MAX + FRAME_DATA_MAX;
	do {
		n = buf_read(code, own < 0 ? STDIN_FILENO : own, FRAME_DATA_MAX);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (code->len > AGENT_CODE_MAX || (n < 0 && errno == ENOBUFS))
		return err_set(err, ERR_LIMIT, "%s: over %d MiB of code", what,
			       AGENT_CODE_MAX / (int)MIB);
	return n < 0 ? err_sys(err, errno, "%s", what) : 0;
}

static json_t *make_params(const struct eval_call *call, struct err *err)
{
	CLEANUP_JSON json_t *env = env_object(call->env, err);
	CLEANUP_JSON json_t *p = NULL;
	json_t *name;

	if (!env)
		return NULL;
	p = json_pack("{s:s, s:s, s:O}", "sandbox", call->sandbox, "lang",
		      call->lang, "env", env);
	if (!p) {
		err_set(err, ERR_USAGE, "\"%s\": not UTF-8", call->sandbox);
		return NULL;
	}
	/* a name that is no UTF-8 is not worth an error */
	if (call->name && (name = json_string(call->name)) != NULL)
		json_object_set_new(p, "name", name);
	if (call->stdin_open)
		json_object_set_new(p, "stdin", json_true());
	else if (call->ask)
		json_object_set_new(p, "ask", json_true());
	if (call->restart)
		json_object_set_new(p, "restart", json_true());
	if (call->displays)
		json_object_set_new(p, "displays", json_true());
	if (call->timeout_ms)
		json_object_set_new(p, "timeout_ms",
				    json_integer((json_int_t)call->timeout_ms));
	return json_incref(p);
}

/* The frames that follow the request. */
static int put_code(const struct buf *code, struct buf *out, struct err *err)
{
	out->max = AGENT_CODE_MAX + MIB;
	for (size_t at = 0; at < code->len; at += FRAME_DATA_MAX)
		if (frame_put(out, AGENT_DATA, code->data + at,
			      MIN(code->len - at, (size_t)FRAME_DATA_MAX)) < 0)
			return err_sys(err, errno, "code");
	if (frame_put(out, AGENT_END, NULL, 0) < 0)
		return err_sys(err, errno, "code");
	return 0;
}

static void say_lost(const struct globals *g, int code, uint32_t why)
{
	if (why & AGENT_WHY_TIMEOUT)
		output_note(g, "it did not stop, and was killed: what the "
			    "interpreter held is lost");
	else if (code > CMD_EXIT_SIGNAL)
		output_note(g, "the interpreter was ended by a signal (%s): what "
			    "it held is lost", strsignal(code - CMD_EXIT_SIGNAL));
	else
		output_note(g, "the interpreter has ended (exit code %d): what "
			    "it held is lost", code);
}

static void say_missing(const struct globals *g, const struct eval_call *call)
{
	struct err err = ERR_INIT;

	const char *what = "python3";

	err_set(&err, ERR_NOT_FOUND, "sandbox %s: its image has no %s",
		call->sandbox, what);
	err_hint(&err, "`podflare exec %s apt-get install -y %s` where there is a "
		 "network, or an image with it: podflare-image(5)",
		 call->sandbox, what);
	output_error(g, &err);
}

static void say_why(const struct globals *g, const struct eval_call *call,
		    const struct session_end *end)
{
	char time[SIZE_TEXT];

	if (end->why & AGENT_WHY_TIMEOUT)
		output_note(g, "timed out after %s",
			    duration_format(call->timeout_ms, time));
	if (end->why & AGENT_WHY_OOM)
		output_note(g, "out of memory: the sandbox's kernel killed a "
			    "process (`create --memory` gives more)");
	if (end->why & AGENT_WHY_LOST)
		say_lost(g, end->code, end->why);
	if (end->why & (AGENT_WHY_NOT_FOUND | AGENT_WHY_NOT_EXECUTABLE))
		say_missing(g, call);
}

/* See eval.h. */
int eval_run(struct client *c, const struct eval_call *call, struct sigs *sigs,
	     struct session_end *end, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	CLEANUP_BUF struct buf first = BUF_INIT;
	struct session_opts o = { .stdin_open = call->stdin_open || call->ask,
				  .sigs = sigs,
				  .first = &first,
				  .displays = call->displays,
				  .capture = call->capture };
	json_t *params = make_params(call, err);

	if (!params || put_code(call->code, &first, err) < 0) {
		json_decref(params);
		return -1;
	}
	if (client_stream(c, "code.run", params, &s, err) < 0)
		return -1;
	if (session_run(&s, &o, end, err) < 0)
		return ended_explain(c->globals, call->sandbox, err);
	if (end->fresh == 2)
		output_note(c->globals, "the interpreter is a new one: what was "
			    "held by the one before is lost");
	say_why(c->globals, call, end);
	return end->code;
}

/* See eval.h. */
int eval_shell(struct client *c, const struct eval_call *call,
	       struct sigs *sigs, struct session_end *end, struct err *err)
{
	static char shell[] = "command -v bash >/dev/null && exec bash -c \"$0\" "
			      "\"$1\"; exec sh -c \"$0\" \"$1\"";
	char *argv[] = { "/bin/sh", "-c", shell, NULL, "eval" };
	CLEANUP_FREE char *code = NULL;
	const struct exec_opts opts = { .stdin_open = call->stdin_open,
					.timeout_ms = call->timeout_ms };
	const struct exec_call exec = { .sandbox = call->sandbox,
					.opts = &opts,
					.env = call->env,
					.argv = argv,
					.argc = ARRAY_SIZE(argv),
					.capture = call->capture };

	if (call->code->len > SHELL_CODE_MAX) {
		err_set(err, ERR_LIMIT, "over %d bytes of shell code",
			SHELL_CODE_MAX);
		return err_hint(err, "`podflare cp` it into the sandbox, and "
				"`podflare exec` it");
	}
	code = strndup((const char *)call->code->data, call->code->len);
	if (!code)
		return err_sys(err, ENOMEM, "code");
	if (strlen(code) != call->code->len)
		return err_set(err, ERR_USAGE, "the code holds a NUL");
	argv[3] = code;
	if (call->name)
		argv[4] = (char *)call->name;
	return exec_run(c, &exec, sigs, end, err);
}

static const char *state_name(const struct session_end *end)
{
	if (end->why & AGENT_WHY_LOST)
		return "lost";
	return end->fresh == 0 ? "kept" : end->fresh == 1 ? "new" : "renewed";
}

/* See eval.h. */
void eval_print(const struct buf *capture, const struct displays *d,
		const struct session_end *end, int code)
{
	CLEANUP_JSON json_t *out = json_pack(
		"{s:o, s:o, s:i, s:s, s:o}", "stdout", json_clean(&capture[0]),
		"stderr", json_clean(&capture[1]), "exit_code", code, "state",
		state_name(end), "displays", displays_json(d));

	output_json(out);
}
