/* SPDX-License-Identifier: MIT */
/*
 * runner/req-freeze.c - sandbox.freeze, sandbox.thaw, sandbox.touch
 *
 * podflared, loop thread.  Both are carried out to the end, also when the client
 * goes away.
 */
#include "runner/freeze.h"
#include "runner/life.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/sandbox-json.h"
#include "runner/store.h"

struct op {
	struct request *rq;
	struct sandbox *sb;	/* a reference */
	struct sandbox_wait wait;
};

/* Return: NULL when it is answered already. */
static struct op *op_new(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *sb = sandbox_find(rq->runner,
					  param_str(rq->params, "sandbox", ""),
					  &err);
	struct op *op = sb ? calloc(1, sizeof(*op)) : NULL;

	if (!op) {
		if (sb)
			err_set(&err, ERR_NO_MEMORY, "%s", rq->method);
		request_fail(rq, &err, NULL);
		return NULL;
	}
	op->rq = rq;
	op->sb = sandbox_ref(sb);
	return op;
}

static void answer(struct op *op, const struct err *err, json_t *console)
{
	if (err)
		request_fail(op->rq, err, json_incref(console));
	else
		request_done(op->rq, sandbox_to_json(op->sb));
	sandbox_unref(op->sb);
	free(op);
}

static void frozen(void *arg, const struct err *err)
{
	answer(arg, err, NULL);
}

void method_sandbox_freeze(struct request *rq)
{
	struct op *op = op_new(rq);
	struct err err = ERR_INIT;

	if (!op)
		return;
	if (op->sb->state == SB_FROZEN && !op->sb->freeze) {
		answer(op, NULL, NULL);
		return;
	}
	request_progress(rq, "save", "writing its memory", -1);
	if (freeze_start(op->sb, false, frozen, op, &err) < 0)
		answer(op, &err, NULL);
}

static void usable(struct sandbox_wait *w, const struct err *err,
		   json_t *console)
{
	answer(container_of(w, struct op, wait), err, console);
}

/* What it holds in memory is lost; it boots from its disk. */
static void forget(struct sandbox *sb)
{
	sandbox_move(sb, SB_EV_FORGET);
	sb->reason[0] = '\0';
	store_forget(sb);
}

void method_sandbox_thaw(struct request *rq)
{
	struct op *op = op_new(rq);
	struct sandbox *sb;
	struct err err = ERR_INIT;

	if (!op)
		return;
	sb = op->sb;
	if (sb->state != SB_FROZEN && sb->state != SB_THAWING &&
	    sb->state != SB_RUNNING) {
		sandbox_state_error(sb, &err);
		err_context(&err, "not frozen");
		answer(op, &err, NULL);
		return;
	}
	if (sb->state == SB_FROZEN && param_bool(rq->params, "boot") &&
	    sandbox_check_idle(sb, &err) == 0)
		forget(sb);
	if (err.code) {
		answer(op, &err, NULL);
		return;
	}
	request_progress(rq, "thaw", sb->state == SB_FROZEN
			 ? "thawing the sandbox" : "starting the sandbox", -1);
	op->wait.cb = usable;
	life_use(sb, &op->wait);
}

void method_sandbox_touch(struct request *rq)
{
	struct op *op = op_new(rq);
	struct sandbox *sb;
	struct err err = ERR_INIT;

	if (!op)
		return;
	sb = op->sb;
	if (sb->state != SB_RUNNING || sb->freeze) {
		if (sandbox_check_idle(sb, &err) == 0)
			sandbox_state_error(sb, &err);
		if (sb->state == SB_FROZEN)
			err_hint(&err, "podflare thaw %s", sb->name);
		answer(op, &err, NULL);
		return;
	}
	sb->active_ns = now_ns();
	answer(op, NULL, NULL);
}
