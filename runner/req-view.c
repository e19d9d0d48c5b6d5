/* SPDX-License-Identifier: MIT */
/*
 * runner/req-view.c - sandbox.origin, sandbox.view
 *
 * podflared, loop thread.  A view is a copy of a point, or of a machine in files,
 * that lives as long as the connection that asked for it: the request stays in
 * flight.
 */
#include "common/log.h"
#include "runner/boot.h"
#include "runner/copies.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/limits.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/points.h"
#include "runner/request.h"
#include "runner/store.h"

struct view {
	struct request *rq;
	struct fork *fork;	/* NULL once it is done */
	struct sandbox *sb;	/* a reference */
	struct sandbox *saved;	/* whose files it is made of; a reference */
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

static json_t *snapshot_json(struct runner *r, const char *id,
			     const char *name, const char *time)
{
	struct err ignored = ERR_INIT;

	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "kind", "snapshot",
			 "snapshot", id, "snapshot_name", name, "time", time,
			 "available", sandbox_find_snapshot(r, id, &ignored) !=
			 NULL);
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

	if (p && p->kind == SB_SNAPSHOT)
		o = snapshot_json(rq->runner, p->id, p->name, p->created);
	else if (p)
		o = point_json(rq->runner, &p->origin, p->id);
	else if (sb && !with && sb->origin.forked)
		o = point_json(rq->runner, &sb->origin, sb->origin.point);
	else if (sb && !with && sb->origin.parent[0])
		o = snapshot_json(rq->runner, sb->origin.parent,
				  sb->origin.parent_name, sb->origin.time);
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

/* Its files are not needed any more. */
static void let_saved_go(struct view *v)
{
	if (!v->saved)
		return;
	v->saved->linking--;
	life_settle(v->saved);
	sandbox_unref(v->saved);
	v->saved = NULL;
}

static void view_free(struct view *v)
{
	let_saved_go(v);
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
	if (v->fork) {
		fork_cancel(v->fork, &err);
		return;
	}
	boot_cancel(v->sb);
	life_remove(v->sb, false, removed, v);
}

static void ready(struct view *v)
{
	request_reply(v->rq, json_pack("{s:s}", "sandbox", v->sb->id));
	/* until the client goes */
}

static void fail(struct view *v, const struct err *err)
{
	v->rq->cancel = NULL;
	request_fail(v->rq, err, NULL);
	view_free(v);
}

/* ---- of a point ---- */

static void done(void *arg, const struct err *err)
{
	struct view *v = arg;
	struct err e = ERR_INIT;

	if (err)
		e = *err;
	else
		e = v->fork->slots[0].err;
	v->fork = NULL;
	if (e.code)
		fail(v, &e);
	else
		ready(v);
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

static int view_point(struct view *v, struct sandbox *point, struct err *err)
{
	v->fork = fork_new(point, 1, &ops, v, err);
	if (!v->fork)
		return -1;
	fork_add(v->fork, v->sb, false);
	fork_start(v->fork);
	return 0;
}

/* ---- of a machine in files ---- */

static void not_removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

static void booted(void *arg, const struct err *err, json_t *console)
{
	struct view *v = arg;

	json_decref(console);
	let_saved_go(v);
	if (!err) {
		sandbox_move(v->sb, SB_EV_READY);
		ready(v);
		return;
	}
	life_remove(v->sb, false, not_removed, NULL);
	fail(v, err);
}

static struct sandbox *find_saved(struct request *rq, struct err *err)
{
	const char *snapshot = param_str(rq->params, "snapshot", NULL);
	struct sandbox *sb;

	if (snapshot)
		return sandbox_find_snapshot(rq->runner, snapshot, err);
	sb = sandbox_find(rq->runner, param_str(rq->params, "sandbox", ""),
			  err);
	/* several may read it at the same time */
	if (!sb || (!sb->linking && sandbox_check_idle(sb, err) < 0))
		return NULL;
	if (sb->state == SB_FROZEN)
		return sb;
	err_set(err, ERR_STATE, "sandbox %s: is not frozen", sb->name);
	return NULL;
}

static int view_saved(struct view *v, struct sandbox *saved, struct err *err)
{
	static const struct boot_ops boot_ops = { .done = booted };
	const struct boot_plan plan = {
		.how = saved->disk_only ? BOOT_COLD : BOOT_COPY, .from = saved,
	};

	v->sb->top = saved->top;
	if (store_make(v->sb, err) < 0 ||
	    boot_start(v->sb, &plan, &life_vm_ops, v->sb, &boot_ops, v,
		       err) < 0) {
		life_remove(v->sb, false, not_removed, NULL);
		return -1;
	}
	v->saved = sandbox_ref(saved);
	saved->linking++;
	return 0;
}

/* ---- both ---- */

/* Return: what is to be copied, NULL with @err. */
static struct sandbox *find_source(struct request *rq, struct err *err)
{
	static const char *const names[] = { "point", "snapshot", "sandbox" };
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		n += param_get(rq->params, names[i]) != NULL;
	if (n != 1) {
		err_set(err, ERR_USAGE, "sandbox.view: one of \"point\", "
			"\"snapshot\" and \"sandbox\" is needed");
		return NULL;
	}
	if (param_get(rq->params, "point"))
		return find_point(rq->runner,
				  param_str(rq->params, "point", ""), err);
	if (rq->runner->ending) {
		err_set(err, ERR_STATE, "the runner is ending");
		return NULL;
	}
	return find_saved(rq, err);
}

static struct view *make(struct request *rq, struct err *err)
{
	struct sandbox *from = find_source(rq, err);
	struct sandbox *sb = from ? copies_register(from, SB_VIEW, NULL, err)
				  : NULL;
	struct view *v = sb ? calloc(1, sizeof(*v)) : NULL;
	int rc;

	if (!v) {
		if (sb) {
			sandbox_unregister(sb);
			err_set(err, ERR_NO_MEMORY, "view");
		}
		return NULL;
	}
	v->rq = rq;
	v->sb = sandbox_ref(sb);
	if (param_get(rq->params, "point")) {
		rc = view_point(v, from, err);
		if (rc < 0)
			sandbox_unregister(sb);
	} else {
		rc = view_saved(v, from, err);
	}
	if (rc == 0)
		return v;
	view_free(v);
	return NULL;
}

void method_sandbox_view(struct request *rq)
{
	struct err err = ERR_INIT;
	struct view *v = make(rq, &err);

	if (!v) {
		request_fail(rq, &err, NULL);
		return;
	}
	rq->state = v;
	rq->cancel = cancel;
}
