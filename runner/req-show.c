/* SPDX-License-Identifier: MIT */
/*
 * runner/req-show.c - sandbox.show
 *
 * podflared, loop thread.  What comes from inside is asked for with a short
 * deadline and left out when the guest does not answer.
 */
#include "common/agent.h"
#include "runner/agent-json.h"
#include "runner/agent.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/sandbox-json.h"
#include "runner/sandbox.h"

struct show {
	struct request *rq;
	struct sandbox *sb;
	struct agent_op *op;
	json_t *guest, *sessions;
};

static void finish(struct show *s)
{
	json_t *o = sandbox_to_json(s->sb);

	if (s->guest)
		json_object_set_new(o, "guest", s->guest);
	if (s->sessions)
		json_object_set_new(o, "sessions", s->sessions);
	request_done(s->rq, o);
	sandbox_unref(s->sb);
	free(s);
}

/* Ask; Return: false when it cannot even be asked. */
static bool ask(struct show *s, uint8_t type, agent_reply_cb cb)
{
	struct runner *r = s->rq->runner;
	CLEANUP_BUF struct buf none = BUF_INIT;
	struct err err = ERR_INIT;

	if (s->sb->state != SB_RUNNING || !s->sb->vm)
		return false;
	s->op = agent_call(&r->loop, vmproc_ctl(s->sb->vm), type, &none,
			   r->agent_timeout_ms / 2, cb, s, &err);
	return s->op != NULL;
}

static void sessions_done(void *arg, const struct err *err,
			  const uint8_t *values, size_t len)
{
	struct show *s = arg;
	struct err e = ERR_INIT;

	if (!err)
		s->sessions = agent_get_sessions(values, len, &e);
	finish(s);
}

static void info_done(void *arg, const struct err *err, const uint8_t *values,
		      size_t len)
{
	struct show *s = arg;
	struct err e = ERR_INIT;

	if (!err)
		s->guest = agent_get_info(values, len, &e);
	/* one that did not answer is not asked again */
	if (!s->guest || !ask(s, AGENT_SESSIONS, sessions_done))
		finish(s);
}

void method_sandbox_show(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *sb = sandbox_find(rq->runner,
					  param_str(rq->params, "sandbox", ""),
					  &err);
	struct show *s = sb ? calloc(1, sizeof(*s)) : NULL;

	if (!s) {
		if (sb)
			err_set(&err, ERR_NO_MEMORY, "show");
		request_fail(rq, &err, NULL);
		return;
	}
	s->rq = rq;
	s->sb = sandbox_ref(sb);
	if (!ask(s, AGENT_INFO, info_done))
		finish(s);
}
