/* SPDX-License-Identifier: MIT */
/*
 * runner/req-merge.c - sandbox.merge, sandbox.merged
 *
 * podflared, loop thread.  Once begun it is carried out, whether the client is
 * there or not.  Merged files are the client's word alone: the log tells it.
 */
#include "runner/events.h"
#include "runner/merge.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/points.h"
#include "runner/request.h"
#include "runner/sandbox-json.h"

static void merged(void *arg, const struct err *err, struct sandbox *winner)
{
	struct request *rq = arg;

	if (err)
		request_fail(rq, err, NULL);
	else
		request_done(rq, sandbox_to_json(winner));
}

static int check_state(const struct sandbox *sb, bool failed_too,
		       struct err *err)
{
	if (sb->state != SB_RUNNING && sb->state != SB_STOPPED &&
	    sb->state != SB_FROZEN && !(failed_too && sb->state == SB_FAILED)) {
		sandbox_state_error(sb, err);
		return err_context(err, "cannot merge");
	}
	if (sb->kind != SB_SANDBOX)
		return err_set(err, ERR_STATE, "sandbox %s: cannot be merged",
			       sb->name);
	return sandbox_check_idle(sb, err);
}

void method_sandbox_merge(struct request *rq)
{
	struct runner *r = rq->runner;
	bool force = param_bool(rq->params, "force");
	struct err err = ERR_INIT;
	struct sandbox *parent, *child;

	parent = sandbox_find(r, param_str(rq->params, "parent", ""), &err);
	child = parent ? sandbox_find(r, param_str(rq->params, "child", ""),
				      &err) : NULL;
	if (parent && parent == child)
		err_set(&err, ERR_USAGE, "sandbox %s: cannot be merged into "
			"itself", parent->name);
	if (err.code || check_state(child, false, &err) < 0 ||
	    check_state(parent, force, &err) < 0)
		goto fail;
	if (!force && !points_descends(child, parent->id)) {
		err_set(&err, ERR_STATE, "sandbox %s does not come from %s",
			child->name, parent->name);
		err_hint(&err, "podflare merge --force %s %s lets it take that "
			 "place all the same", parent->name, child->name);
		goto fail;
	}
	if (r->ending) {
		err_set(&err, ERR_STATE, "the runner is ending");
		goto fail;
	}
	merge_start(parent, child, points_descends(child, parent->id), NULL,
		    merged, rq);
	return;
fail:
	request_fail(rq, &err, NULL);
}

static void logged(void *arg, const struct err *err)
{
	struct request *rq = arg;

	if (err)
		request_fail(rq, err, NULL);
	else
		request_done(rq, json_object());
}

/* Files of @child were merged into @sb. */
static int add_event(json_t *events, const struct sandbox *sb,
		     const struct sandbox *child, struct err *err)
{
	json_t *e;

	if (child == sb)
		return err_set(err, ERR_USAGE, "sandbox %s: cannot be merged "
			       "into itself", sb->name);
	e = event_new("merge-files", child);
	json_object_update_new(e, json_pack("{s:s, s:s}", "parent", sb->id,
					    "parent_name", sb->name));
	json_array_append_new(events, e);
	return 0;
}

void method_sandbox_merged(struct request *rq)
{
	const json_t *names = param_get(rq->params, "children"), *name;
	struct runner *r = rq->runner;
	json_t *events = json_array();
	struct err err = ERR_INIT;
	struct sandbox *sb, *child;
	size_t i;

	sb = sandbox_find(r, param_str(rq->params, "sandbox", ""), &err);
	json_array_foreach(names, i, name) {
		child = sb ? sandbox_find(r, json_string_value(name), &err)
			   : NULL;
		if (!child || add_event(events, sb, child, &err) < 0)
			break;
	}
	if (!err.code) {
		events_put(r, events, logged, rq);
		return;
	}
	json_decref(events);
	request_fail(rq, &err, NULL);
}
