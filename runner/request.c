/* SPDX-License-Identifier: MIT */
/*
 * runner/request.c - one call of a client, from its line to its reply
 *
 * podflared, loop thread.  Distrusts the client for form: a line that is no
 * JSON-RPC ends the connection, a call that does not fit the method table is
 * answered with an error.
 */
#include "runner/request.h"

#include <stdio.h>
#include <unistd.h>

#include "common/jsonrpc.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/text.h"

struct method {
	const char *name;
	void (*run)(struct request *rq);
	const char *params;	/* param.h */
};

static const struct method methods[] = {
	{ "runner.hello", method_runner_hello, "protocol:i version:s" },
	{ "runner.info", method_runner_info, "" },
	{ "runner.check", method_runner_check, "" },
	{ "runner.gc", method_runner_gc, "dry_run?b" },
	{ "runner.stop", method_runner_stop, "" },
	{ "runner.shutdown", method_runner_shutdown, "" },
	{ "sandbox.create", method_sandbox_create,
	  "name?s image?s from?s cpus?i memory?i disk?i env?o labels?o "
	  "idle_timeout_ms?i on_idle?s net?s" },
	{ "sandbox.fork", method_sandbox_fork,
	  "sandbox:s n?i name?s env?o labels?o" },
	{ "sandbox.merge", method_sandbox_merge,
	  "parent:s child:s force?b" },
	{ "sandbox.merged", method_sandbox_merged, "sandbox:s children:a" },
	{ "sandbox.origin", method_sandbox_origin, "sandbox:s with?s" },
	{ "sandbox.view", method_sandbox_view,
	  "point?s snapshot?s sandbox?s" },
	{ "sandbox.list", method_sandbox_list, "" },
	{ "sandbox.show", method_sandbox_show, "sandbox:s" },
	{ "sandbox.rm", method_sandbox_rm, "sandbox:s force?b" },
	{ "sandbox.pause", method_sandbox_pause, "sandbox:s" },
	{ "sandbox.resume", method_sandbox_resume, "sandbox:s" },
	{ "sandbox.log", method_sandbox_log, "sandbox?s" },
	{ "sandbox.freeze", method_sandbox_freeze, "sandbox:s" },
	{ "sandbox.thaw", method_sandbox_thaw, "sandbox:s boot?b" },
	{ "sandbox.touch", method_sandbox_touch, "sandbox:s" },
	{ "sandbox.reset", method_sandbox_reset,
	  "sandbox:s snapshot:s safety?b" },
	{ "sandbox.logs", method_sandbox_logs, "sandbox:s tail?i" },
	{ "snapshot.create", method_snapshot_create, "sandbox:s name?s" },
	{ "snapshot.list", method_snapshot_list, "" },
	{ "snapshot.show", method_snapshot_show, "snapshot:s" },
	{ "snapshot.rm", method_snapshot_rm, "snapshot:s" },
	{ "snapshot.export", method_snapshot_export, "snapshot:s" },
	{ "snapshot.import", method_snapshot_import, "meta:s name?s" },
	{ "exec.start", method_exec_start,
	  "sandbox:s cmd:a env?o cwd?s user?s tty?b stdin?b rows?i cols?i "
	  "timeout_ms?i keep?b" },
	{ "exec.attach", method_exec_attach, "sandbox:s session:i" },
	{ "exec.list", method_exec_list, "sandbox:s" },
	{ "code.run", method_code_run,
	  "sandbox:s lang?s name?s env?o stdin?b ask?b timeout_ms?i keep?b "
	  "restart?b displays?b" },
	{ "files.put", method_files_put, "sandbox:s path:s user?s" },
	{ "files.get", method_files_get,
	  "sandbox:s path:s name?s follow?b image?b" },
	{ "files.stat", method_files_stat, "sandbox:s path:s follow?b" },
	{ "files.changes", method_files_changes, "sandbox:s paths?a all?b" },
	{ "files.hash", method_files_hash, "sandbox:s" },
	{ "files.fetch", method_files_fetch, "sandbox:s" },
	{ "files.apply", method_files_apply, "sandbox:s" },
	{ "console.attach", method_console_attach, "sandbox:s" },
	{ "image.list", method_image_list, "" },
	{ "image.show", method_image_show, "image:s" },
	{ "image.rm", method_image_rm, "image:s force?b" },
	{ "image.warm", method_image_warm,
	  "image?s cpus?i memory?i disk?i" },
	{ "image.put", method_image_put, "name:s meta:s files:l" },
};

static const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

/* These work with a client of another protocol too, so that it can replace
 * this runner. */
static bool before_hello(const struct method *m)
{
	return m->run == method_runner_hello || m->run == method_runner_stop;
}

static json_t *error_reply(json_t *id, const struct err *err, json_t *console)
{
	struct err clean = *err;
	json_t *reply;

	/* messages may quote what a client or guest sent */
	text_clean_copy(clean.msg, sizeof(clean.msg), err->msg);
	reply = jsonrpc_error(id, &clean);
	if (console)
		json_object_set_new(
			json_object_get(json_object_get(reply, "error"),
					"data"),
			"console", console);
	return reply;
}

static void reply_free(struct request_peer *p, json_t *line, int fd)
{
	p->send(p, line, fd);
	json_decref(line);
}

static void request_free(struct request *rq)
{
	if (rq->peer) {
		LIST_REMOVE(rq, link);
		rq->peer->nr_requests--;
	}
	json_decref(rq->root);
	free(rq);
}

/* The id and method of a call. Return: 0, or -1 with @err. */
static int check_call(const json_t *root, json_t **id, const char **method,
		      json_t **params, struct err *err)
{
	const char *version =
		json_string_value(json_object_get(root, "jsonrpc"));
	json_t *v = json_object_get(root, "id");

	if (json_is_integer(v) ||
	    (json_is_string(v) && json_string_length(v) <= 128))
		*id = v;
	*method = json_string_value(json_object_get(root, "method"));
	*params = json_object_get(root, "params");
	if (!version || strcmp(version, "2.0") != 0)
		return err_set(err, ERR_PROTOCOL, "not a JSON-RPC 2.0 request");
	if (!*id)
		return err_set(err, ERR_PROTOCOL,
			       "\"id\" must be an integer or a text");
	if (!*method)
		return err_set(err, ERR_PROTOCOL, "\"method\" is missing");
	if (*params && !json_is_object(*params))
		return err_set(err, ERR_PROTOCOL,
			       "\"params\" must be an object");
	return 0;
}

static void start(struct runner *r, struct request_peer *p, json_t *root,
		  json_t *id, const struct method *m, json_t *params)
{
	struct request *rq = calloc(1, sizeof(*rq));

	if (!rq) {
		struct err err = ERR_INIT;

		err_set(&err, ERR_NO_MEMORY, "%s", m->name);
		reply_free(p, error_reply(id, &err, NULL), -1);
		json_decref(root);
		return;
	}
	*rq = (struct request){
		.runner = r, .peer = p, .root = root, .id = id,
		.params = params, .method = m->name,
	};
	LIST_INSERT_HEAD(&p->requests, rq, link);
	p->nr_requests++;
	m->run(rq);
}

int request_line(struct runner *r, struct request_peer *p, const char *line,
		 size_t len, struct err *err)
{
	json_t *root = jsonrpc_parse(line, len, err);
	json_t *id = NULL, *params = NULL;
	const struct method *m;
	const char *name = NULL;
	int rc = -1;

	if (!root || check_call(root, &id, &name, &params, err) < 0)
		goto refuse;
	m = find_method(name);
	if (!p->hello && !(m && before_hello(m))) {
		err_set(err, ERR_PROTOCOL,
			"the first call must be runner.hello");
		goto refuse;
	}
	rc = 0;
	if (!m) {
		err_set(err, ERR_USAGE, "unknown method \"%.64s\"", name);
		goto refuse;
	}
	if (!params) {
		params = json_object();
		json_object_set_new(root, "params", params);
	}
	if (param_check(params, m->params, err) < 0) {
		err_context(err, "%s", m->name);
		goto refuse;
	}
	start(r, p, root, id, m, params);
	return 0;
refuse:
	reply_free(p, error_reply(id, err, NULL), -1);
	json_decref(root);
	return rc;
}

void request_peer_eof(struct request_peer *p)
{
	struct request *rq, *next;

	for (rq = LIST_FIRST(&p->requests); rq; rq = next) {
		next = LIST_NEXT(rq, link);
		if (rq->cancel)
			rq->cancel(rq);	/* may free it */
	}
}

void request_peer_gone(struct request_peer *p)
{
	struct request *rq;

	while ((rq = LIST_FIRST(&p->requests))) {
		LIST_REMOVE(rq, link);
		p->nr_requests--;
		rq->peer = NULL;
		if (rq->cancel)
			rq->cancel(rq);	/* may free it */
	}
}

void request_reply(struct request *rq, json_t *result)
{
	if (rq->peer)
		reply_free(rq->peer, jsonrpc_result(rq->id, result), -1);
	else
		json_decref(result);
}

void request_done(struct request *rq, json_t *result)
{
	request_reply(rq, result);
	request_free(rq);
}

void request_done_fd(struct request *rq, json_t *result, int fd)
{
	if (rq->peer) {
		reply_free(rq->peer, jsonrpc_result(rq->id, result), fd);
	} else {
		json_decref(result);
		close(fd);
	}
	request_free(rq);
}

void request_fail(struct request *rq, const struct err *err, json_t *console)
{
	if (rq->peer)
		reply_free(rq->peer, error_reply(rq->id, err, console), -1);
	else
		json_decref(console);
	request_free(rq);
}

void request_progress(struct request *rq, const char *step, const char *text,
		      int percent)
{
	json_t *note, *params;

	if (!rq->peer)
		return;
	params = json_pack("{s:O, s:s, s:s}", "id", rq->id, "step", step,
			   "text", text);
	if (percent >= 0)
		json_object_set_new(params, "percent", json_integer(percent));
	note = json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method",
			 "progress", "params", params);
	reply_free(rq->peer, note, -1);
}
