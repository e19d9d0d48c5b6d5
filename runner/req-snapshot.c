/* SPDX-License-Identifier: MIT */
/*
 * runner/req-snapshot.c - snapshot.create, list, show, rm, export
 *
 * podflared, loop thread.
 */
#include "runner/export.h"
#include "runner/life.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/snapshot.h"

static void made(void *arg, const struct err *err,
		 const struct snapshot_made *m)
{
	struct request *rq = arg;
	json_t *o;

	rq->cancel = NULL;
	if (err) {
		request_fail(rq, err, NULL);
		return;
	}
	o = snapshot_to_json(m->snapshot);
	json_object_set_new(o, "pause_ms",
			    json_real((double)m->pause_ns / 1e6));
	request_done(rq, o);
}

static void cancel(struct request *rq)
{
	rq->cancel = NULL;
	snapshot_cancel(rq->state);
}

void method_snapshot_create(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *sb = sandbox_find(rq->runner,
					  param_str(rq->params, "sandbox", ""),
					  &err);

	if (sb)
		rq->state = snapshot_make(sb, param_str(rq->params, "name",
							NULL),
					  "snapshot", made, rq, &err);
	if (!rq->state) {
		request_fail(rq, &err, NULL);
		return;
	}
	rq->cancel = cancel;
	request_progress(rq, "save", "writing the snapshot", -1);
}

void method_snapshot_list(struct request *rq)
{
	json_t *list = json_array();
	struct sandbox *s;
	size_t used = 0;

	TAILQ_FOREACH(s, &rq->runner->snapshots, link)
		if ((s->state == SB_FROZEN && !s->saving) ||
		    s->state == SB_FAILED)
			json_array_append_new(list, snapshot_to_item(s, &used));
	request_done(rq, json_pack("{s:o}", "snapshots", list));
}

void method_snapshot_show(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *s = sandbox_find_snapshot(
		rq->runner, param_str(rq->params, "snapshot", ""), &err);

	if (s)
		request_done(rq, snapshot_to_json(s));
	else
		request_fail(rq, &err, NULL);
}

static void removed(void *arg, const struct err *err)
{
	struct request *rq = arg;

	if (err)
		request_fail(rq, err, NULL);
	else
		request_done(rq, NULL);
}

void method_snapshot_rm(struct request *rq)
{
	const char *ref = param_str(rq->params, "snapshot", "");
	struct err err = ERR_INIT;
	struct sandbox *s = sandbox_find_snapshot(rq->runner, ref, &err);

	/* one that is damaged goes as well */
	if (!s)
		s = sandbox_snapshot_by_name(rq->runner, ref);
	if (s && (s->state == SB_FAILED || !err.code))
		life_remove(s, false, removed, rq);
	else
		request_fail(rq, &err, NULL);
}

void method_snapshot_export(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *s = sandbox_find_snapshot(
		rq->runner, param_str(rq->params, "snapshot", ""), &err);
	int fd = s ? export_start(s, &err) : -1;

	if (fd < 0)
		request_fail(rq, &err, NULL);
	else
		request_done_fd(rq, snapshot_to_json(s), fd);
}
