/* SPDX-License-Identifier: MIT */
/*
 * runner/req-view.c - sandbox.origin, sandbox.view
 *
 * podflared, loop thread.  A view is a copy of a point that lives as long as the
 * connection that asked for it: the request stays in flight.
 */
#include "runner/copies.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/limits.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/points.h"
#include "runner/request.h"

struct view {
	struct request *rq;
	struct fork *fork;	/* NULL once it is done */
	struct sandbox *sb;	/* a reference */
};

static json_t *point_json(struct runner *r, const struct sandbox_origin *from,
			  const char *point)
{
	const struct sandbox *p = sandbox_hidden(r, SB_POINT, point);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "kind", "fork",
			 "point", point, "parent", from->parent, "parent_name",
			 from->parent_name, "time", from->time, "available",
			 p && p->state == SB_HELD);
}

void method_sandbox_origin(struct request *rq)
{
	const char *with = param_str(rq->params, "with", NULL);
	struct err err = ERR_INIT;
	struct sandbox *sb = sandbox_find(rq->runner,
					  param_str(rq->params, "sandbox", ""),
					  &err);
	struct sandbox *other = sb && with
		? sandbox_find(rq->runner, with, &err) : NULL;
	const struct sandbox *p = other ? points_common(sb, other) : NULL;
	json_t *o = NULL;

	if (p)
		o = point_json(rq->runner, &p->origin, p->id);
	else if (sb && !with && sb->origin.forked)
		o = point_json(rq->runner, &sb->origin, sb->origin.point);
	else if (sb && (!with || (other && !strcmp(sb->digest, other->digest))))
		o = json_pack("{s:s}", "kind", "image");
	else if (other)
		err_set(&err, ERR_NOT_FOUND, "sandboxes %s and %s have nothing "
			"in common: they are of different images", sb->name,
			other->name);
	if (o)
		request_done(rq, o);
	else
		request_fail(rq, &err, NULL);
}

static void view_free(struct view *v)
{
	sandbox_unref(v->sb);
	free(v);
}

static void removed(void *arg, const struct err *err)
{
	struct view *v = arg;

	request_done(v->rq, NULL);	/* to one that only listens */
	view_free(v);
}

static void cancel(struct request *rq)
{
	struct view *v = rq->state;
	struct err err = ERR_INIT;

	rq->cancel = NULL;
	err_set(&err, ERR_CANCELLED, "the client went away");
	if (v->fork)
		fork_cancel(v->fork, &err);
	else
		life_remove(v->sb, false, removed, v);
}

static void done(void *arg, const struct err *err)
{
	struct view *v = arg;
	struct request *rq = v->rq;
	struct err e = ERR_INIT;

	if (err)
		e = *err;
	else
		e = v->fork->slots[0].err;
	v->fork = NULL;
	if (!e.code) {
		request_reply(rq, json_pack("{s:s}", "sandbox", v->sb->id));
		return;		/* until the client goes */
	}
	rq->cancel = NULL;
	request_fail(rq, &e, NULL);
	view_free(v);
}

static const struct fork_ops ops = { .done = done };

static struct sandbox *find_point(struct runner *r, const char *id,
				  struct err *err)
{
	struct sandbox *p = sandbox_hidden(r, SB_POINT, id);
	struct limits_fork f = { .n = 1, .name = id };

	if (!p || p->state != SB_HELD || !p->vm) {
		err_set(err, ERR_NOT_FOUND, "the instant of the fork (%.32s) is "
			"not there any more%s%s", id,
			p && p->reason[0] ? ": " : "", p ? p->reason : "");
		err_hint(err, "it is kept in memory, as long as sandboxes that "
			 "came from it live and the host was not restarted");
		return NULL;
	}
	if (r->ending) {
		err_set(err, ERR_STATE, "the runner is ending");
		return NULL;
	}
	f.cpus = p->cpus;
	f.vmm = vmproc_pid(p->vm);
	return limits_check_fork(&f, err) < 0 ? NULL : p;
}

void method_sandbox_view(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *point = find_point(rq->runner,
					   param_str(rq->params, "point", ""),
					   &err);
	struct view *v = point ? calloc(1, sizeof(*v)) : NULL;
	struct sandbox *sb = NULL;

	if (v)
		sb = copies_register(point, SB_VIEW, NULL, &err);
	else if (point)
		err_set(&err, ERR_NO_MEMORY, "view");
	if (sb) {
		v->fork = fork_new(point, 1, &ops, v, &err);
		if (!v->fork)
			sandbox_unregister(sb);
	}
	if (!v || !v->fork) {
		free(v);
		request_fail(rq, &err, NULL);
		return;
	}
	v->rq = rq;
	v->sb = sandbox_ref(sb);
	rq->state = v;
	rq->cancel = cancel;
	fork_add(v->fork, sb, false);
	fork_start(v->fork);
}
