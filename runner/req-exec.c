/* SPDX-License-Identifier: MIT */
/*
 * runner/req-exec.c - exec.*, code.run and console.attach
 *
 * podflared, loop thread.  The runner sends the request frame and hands the
 * stream over; what the guest answers there is the client's to judge.
 */
#include "common/agent.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/sbop.h"

static void run(struct sbop *op, uint8_t type)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;
	struct exec_defaults def;
	int rc;

	/* an image removed by force has no say any more */
	if (image_find(op->rq->runner, op->sb->digest, &img, &err) < 0)
		img.env = NULL;
	def = (struct exec_defaults){
		.image_env = img.env, .sandbox_env = op->sb->env,
		.user = img.user, .workdir = img.workdir,
	};
	if (type == AGENT_CODE)
		rc = agent_put_code(&payload, op->rq->params, &def, 0, &err);
	else
		rc = agent_put_exec(&payload, op->rq->params, &def, &err);
	if (rc < 0)
		sbop_fail(op, &err);
	else
		sbop_stream(op, type, &payload);
}

static void exec_run(struct sbop *op)
{
	run(op, AGENT_EXEC);
}

void method_exec_start(struct request *rq)
{
	sbop_start(rq, exec_run);
}

static void code_run(struct sbop *op)
{
	run(op, AGENT_CODE);
}

void method_code_run(struct request *rq)
{
	sbop_start(rq, code_run);
}

static void attach_run(struct sbop *op)
{
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (agent_put_session(&payload,
			      param_int(op->rq->params, "session", 0),
			      &err) < 0)
		sbop_fail(op, &err);
	else
		sbop_stream(op, AGENT_ATTACH, &payload);
}

void method_exec_attach(struct request *rq)
{
	sbop_start(rq, attach_run);
}

static void sessions_done(void *arg, const struct err *err,
			  const uint8_t *values, size_t len)
{
	struct sbop *op = arg;
	struct err e = ERR_INIT;
	json_t *list;

	op->agent = NULL;
	if (err) {
		sbop_fail(op, err);
		return;
	}
	list = agent_get_sessions(values, len, &e);
	if (list)
		sbop_done(op, json_pack("{s:o}", "sessions", list));
	else
		sbop_fail(op, &e);
}

static void list_run(struct sbop *op)
{
	CLEANUP_BUF struct buf none = BUF_INIT;

	sbop_call(op, AGENT_SESSIONS, &none, sessions_done);
}

void method_exec_list(struct request *rq)
{
	sbop_start(rq, list_run);
}

static void console_done(void *arg, const struct err *err,
			 const struct vm_status *st, int fd)
{
	struct sbop *op = arg;

	op->call = NULL;
	if (err)
		sbop_fail(op, err);
	else
		sbop_done_fd(op, fd);
}

static void console_run(struct sbop *op)
{
	struct runner *r = op->rq->runner;
	struct vmctl *ctl = vmproc_ctl(op->sb->vm);
	struct err err = ERR_INIT;

	if (ctl)
		op->call = vmctl_order(ctl, VM_CONSOLE, r->agent_timeout_ms,
				       console_done, op, &err);
	else
		err_set(&err, ERR_UNAVAILABLE, "its VMM has ended");
	if (!op->call)
		sbop_fail(op, &err);
}

void method_console_attach(struct request *rq)
{
	sbop_start(rq, console_run);
}
