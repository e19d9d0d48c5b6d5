/* SPDX-License-Identifier: MIT */
/*
 * runner/req-reset.c - sandbox.reset
 *
 * podflared, loop thread.
 */
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/reset.h"
#include "runner/sandbox-json.h"
#include "runner/snapshot.h"

struct op {
	struct request *rq;
	struct reset *reset;
	json_t *was;	/* what may be another one afterwards */
};

static json_t *describe(const struct sandbox *sb)
{
	return json_pack("{s:s, s:s, s:i, s:I, s:I}", "image", sb->image,
			 "image_digest", sb->digest, "cpus", (int)sb->cpus,
			 "memory", (json_int_t)sb->memory, "disk",
			 (json_int_t)sb->disk);
}

static void progress(void *arg, const char *step, const char *text)
{
	struct op *op = arg;

	request_progress(op->rq, step, text, -1);
}

static void done(void *arg, const struct err *err, struct sandbox *sb,
		 struct sandbox *safety, json_t *console)
{
	struct op *op = arg;
	json_t *o;

	op->rq->cancel = NULL;
	if (err) {
		request_fail(op->rq, err, console);
	} else {
		o = sandbox_to_json(sb);
		json_object_set(o, "was", op->was);
		if (safety)
			json_object_set_new(o, "safety",
					    json_string(safety->name));
		request_done(op->rq, o);
	}
	json_decref(op->was);
	free(op);
}

static void cancel(struct request *rq)
{
	struct op *op = rq->state;

	rq->cancel = NULL;
	reset_cancel(op->reset);
}

void method_sandbox_reset(struct request *rq)
{
	static const struct reset_ops ops = {
		.progress = progress, .done = done,
	};
	const json_t *safety = param_get(rq->params, "safety");
	struct err err = ERR_INIT;
	struct sandbox *sb, *snapshot;
	struct op *op = NULL;

	sb = sandbox_find(rq->runner, param_str(rq->params, "sandbox", ""),
			  &err);
	snapshot = sb ? sandbox_find_snapshot(rq->runner, param_str(
			rq->params, "snapshot", ""), &err) : NULL;
	if (snapshot) {
		op = calloc(1, sizeof(*op));
		if (!op)
			err_set(&err, ERR_NO_MEMORY, "reset");
	}
	if (!op) {
		request_fail(rq, &err, NULL);
		return;
	}
	op->rq = rq;
	op->was = describe(sb);
	rq->state = op;
	rq->cancel = cancel;
	op->reset = reset_start(sb, snapshot, !safety || json_is_true(safety),
				&ops, op, &err);
	if (op->reset)
		return;
	rq->cancel = NULL;
	json_decref(op->was);
	free(op);
	request_fail(rq, &err, NULL);
}
