/* SPDX-License-Identifier: MIT */
/*
 * cli/exec.c - what exec, run and shell have in common
 *
 * Runs in the CLI.
 */
#include "cli/exec.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/ended.h"
#include "cli/output.h"
#include "cli/size.h"
#include "cli/term.h"
#include "common/agent.h"

const struct opt exec_options[] = {
	{ OPT_FLAG, 'i', "interactive", NULL, "forward our standard input",
	  offsetof(struct exec_opts, stdin_open) },
	{ OPT_FLAG, 't', "tty", NULL, "give the command a terminal",
	  offsetof(struct exec_opts, tty) },
	{ OPT_STRING, 'w', "workdir", "DIR", "start in this directory",
	  offsetof(struct exec_opts, cwd) },
	{ OPT_STRING, 'u', "user", "USER", "run as this user (name or uid, "
	  ":group)", offsetof(struct exec_opts, user) },
	{ OPT_TIME, 0, "timeout", "TIME", "end the command after this long",
	  offsetof(struct exec_opts, timeout_ms) },
	OPT_TABLE_END,
};

/* See exec.h. */
int env_add(json_t *env, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");
	const char *value = text[len] ? text + len + 1 : NULL;
	char key[256];
	json_t *v;

	if (len == 0 || len >= sizeof(key)) {
		err_set(err, ERR_USAGE, "\"%.64s\" is not K=V", text);
		return err_hint(err, "write NAME=VALUE, or NAME alone to pass "
				"on our own variable");
	}
	memcpy(key, text, len);
	key[len] = '\0';
	if (!value)
		value = getenv(key);
	if (!value)	/* as docker: a variable that we do not have is none */
		return 0;
	v = json_string(value);
	if (!v || json_object_set_new(env, key, v) < 0)
		return err_set(err, ERR_USAGE, "variable \"%s\": not UTF-8",
			       key);
	return 0;
}

/* See exec.h. */
json_t *env_object(const struct opt_list *list, struct err *err)
{
	CLEANUP_JSON json_t *env = json_object();

	for (size_t i = 0; list && i < list->n; i++)
		if (env_add(env, list->v[i], err) < 0)
			return NULL;
	return json_incref(env);
}

static int set_text(json_t *params, const char *key, const char *text,
		    struct err *err)
{
	json_t *v;

	if (!text)
		return 0;
	v = json_string(text);
	if (!v)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", text);
	return json_object_set_new(params, key, v);
}

static int set_terminal(json_t *params, json_t *env)
{
	unsigned int rows, cols;
	const char *term = getenv("TERM");

	json_object_set_new(params, "tty", json_true());
	if (term && *term && !json_object_get(env, "TERM"))
		json_object_set_new(env, "TERM", json_string(term));
	if (term_size(STDIN_FILENO, &rows, &cols) < 0 &&
	    term_size(STDOUT_FILENO, &rows, &cols) < 0)
		return 0;
	if (rows && cols) {
		json_object_set_new(params, "rows", json_integer(rows));
		json_object_set_new(params, "cols", json_integer(cols));
	}
	return 0;
}

/* Return: a new reference to exec.start's parameters, NULL with @err. */
static json_t *make_params(const struct exec_call *call, struct err *err)
{
	const struct exec_opts *o = call->opts;
	CLEANUP_JSON json_t *params = json_object();
	CLEANUP_JSON json_t *env = env_object(call->env, err);
	json_t *cmd = json_array();

	json_object_set_new(params, "cmd", cmd);
	if (!env)
		return NULL;
	for (int i = 0; i < call->argc; i++) {
		if (json_array_append_new(cmd, json_string(call->argv[i])) < 0) {
			err_set(err, ERR_USAGE, "argument %d of the command: "
				"not UTF-8", i + 1);
			return NULL;
		}
	}
	if (set_text(params, "sandbox", call->sandbox, err) < 0 ||
	    set_text(params, "cwd", o->cwd, err) < 0 ||
	    set_text(params, "user", o->user, err) < 0)
		return NULL;
	if (o->tty)
		set_terminal(params, env);
	if (o->stdin_open)
		json_object_set_new(params, "stdin", json_true());
	if (o->timeout_ms)
		json_object_set_new(params, "timeout_ms",
				    json_integer((json_int_t)o->timeout_ms));
	if (call->keep)
		json_object_set_new(params, "keep", json_true());
	if (json_object_size(env))
		json_object_set(params, "env", env);
	return json_incref(params);
}

static void say_why(const struct globals *g, const struct exec_call *call,
		    uint32_t why)
{
	char time[SIZE_TEXT];

	if (why & AGENT_WHY_TIMEOUT)
		output_note(g, "timed out after %s",
			    duration_format(call->opts->timeout_ms, time));
	if (why & AGENT_WHY_OOM)
		output_note(g, "out of memory: the sandbox's kernel killed a "
			    "process (`create --memory` gives more)");
	if (why & AGENT_WHY_DISK_FULL)
		output_note(g, "the sandbox's disk is full "
			    "(`create --disk` gives more)");
	if (why & AGENT_WHY_PIDS)
		output_note(g, "the sandbox's process limit was reached");
	if (why & (AGENT_WHY_NOT_FOUND | AGENT_WHY_NOT_EXECUTABLE)) {
		struct err err = ERR_INIT;

		if (why & AGENT_WHY_NOT_FOUND)
			err_set(&err, ERR_NOT_FOUND, "%s: not found in the "
				"sandbox", call->argv[0]);
		else
			err_set(&err, ERR_PERMISSION, "%s: cannot be executed",
				call->argv[0]);
		output_error(g, &err);
	}
}

/* See exec.h. */
int exec_run(struct client *c, const struct exec_call *call, struct sigs *sigs,
	     struct session_end *end, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	struct session_opts o = { .tty = call->opts->tty,
				  .stdin_open = call->opts->stdin_open,
				  .detach = call->keep,
				  .capture = call->capture,
				  .sigs = sigs };
	json_t *params = make_params(call, err);

	if (!params || client_stream(c, "exec.start", params, &s, err) < 0)
		return -1;
	if (session_run(&s, &o, end, err) < 0)
		return ended_explain(c->globals, call->sandbox, err);
	say_why(c->globals, call, end->why);
	return end->code;
}
