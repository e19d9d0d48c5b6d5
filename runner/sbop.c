/* SPDX-License-Identifier: MIT */
/*
 * runner/sbop.c - a request that needs a running sandbox
 *
 * podflared, loop thread.
 */
#include "runner/sbop.h"

#include "runner/param.h"

static struct request *sbop_free(struct sbop *op)
{
	struct request *rq = op->rq;

	if (op->waiting)
		life_use_cancel(op->sb, &op->wait);
	if (op->agent)
		agent_cancel(op->agent);
	if (op->call)
		vmctl_cancel(op->call);
	sandbox_unref(op->sb);
	free(op);
	rq->cancel = NULL;
	return rq;
}

void sbop_done(struct sbop *op, json_t *result)
{
	request_done(sbop_free(op), result);
}

void sbop_done_fd(struct sbop *op, int fd)
{
	request_done_fd(sbop_free(op), NULL, fd);
}

static void fail(struct sbop *op, const struct err *err, json_t *console)
{
	struct err e = *err;

	/* errors of a start name the sandbox already */
	if (!strstr(e.msg, op->sb->name))
		err_context(&e, "sandbox %s", op->sb->name);
	request_fail(sbop_free(op), &e, json_incref(console));
}

void sbop_fail(struct sbop *op, const struct err *err)
{
	fail(op, err, NULL);
}

static void cancel(struct request *rq)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_CANCELLED, "the client went away");
	sbop_fail(rq->state, &err);
}

static void usable(struct sandbox_wait *w, const struct err *err,
		   json_t *console)
{
	struct sbop *op = container_of(w, struct sbop, wait);

	op->waiting = false;
	if (err)
		fail(op, err, console);
	else
		op->run(op);
}

void sbop_start(struct request *rq, void (*run)(struct sbop *op))
{
	struct err err = ERR_INIT;
	struct sandbox *sb = sandbox_find(rq->runner,
					  param_str(rq->params, "sandbox", ""),
					  &err);
	struct sbop *op = sb ? calloc(1, sizeof(*op)) : NULL;

	if (!op) {
		if (sb)
			err_set(&err, ERR_NO_MEMORY, "%s", rq->method);
		request_fail(rq, &err, NULL);
		return;
	}
	op->rq = rq;
	op->sb = sandbox_ref(sb);
	op->run = run;
	op->wait.cb = usable;
	op->waiting = true;
	rq->state = op;
	rq->cancel = cancel;
	if (sb->state == SB_STOPPED)
		request_progress(rq, "boot", "starting the stopped sandbox",
				 -1);
	if (sb->state == SB_FROZEN)
		request_progress(rq, "thaw", "thawing the sandbox", -1);
	life_use(sb, &op->wait);
}

static void opened(void *arg, const struct err *err, int fd)
{
	struct sbop *op = arg;

	op->agent = NULL;
	if (err)
		sbop_fail(op, err);
	else
		sbop_done_fd(op, fd);
}

void sbop_stream(struct sbop *op, uint8_t type, struct buf *payload)
{
	struct runner *r = op->rq->runner;
	struct err err = ERR_INIT;

	op->agent = agent_open(&r->loop, vmproc_ctl(op->sb->vm), type, payload,
			       r->agent_timeout_ms, opened, op, &err);
	if (!op->agent)
		sbop_fail(op, &err);
}

void sbop_call(struct sbop *op, uint8_t type, struct buf *payload,
	       agent_reply_cb cb)
{
	struct runner *r = op->rq->runner;
	struct err err = ERR_INIT;

	op->agent = agent_call(&r->loop, vmproc_ctl(op->sb->vm), type, payload,
			       r->agent_timeout_ms, cb, op, &err);
	if (!op->agent)
		sbop_fail(op, &err);
}
