/* SPDX-License-Identifier: MIT */
/*
 * runner/req-gc.c - runner.gc
 *
 * podflared, loop thread; files are found and removed by work threads (gc.c).
 *
 * Theory of operation: what is found on disk first, and known to nobody after
 * that, is nobody's: whoever makes something is registered before it has a name.
 */
#include <stdio.h>

#include "common/log.h"
#include "runner/gc.h"
#include "runner/life.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/points.h"
#include "runner/request.h"
#include "runner/template.h"

struct job {
	struct work_job job;
	struct request *rq;
	struct gc gc;
	json_t *removed;	/* what the registry itself has let go */
};

static struct sandbox *find_in(const struct sandbox_list *list, const char *id)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, list, link)
		if (strcmp(sb->id, id) == 0)
			return sb;
	return NULL;
}

static struct sandbox *find(struct runner *r, const char *id)
{
	struct sandbox *sb = find_in(&r->sandboxes, id);

	if (!sb)
		sb = find_in(&r->hidden, id);
	return sb ? sb : find_in(&r->snapshots, id);
}

/* Whether it is of use to somebody, after all. */
static bool is_known(struct runner *r, const struct gc_item *i)
{
	const struct sandbox *sb = *i->id ? find(r, i->id) : NULL;

	if (!sb)
		return false;
	/* a file of one that is there: nobody may be writing it now */
	return i->what != GC_FILE || sb->flat || sb->boot || sb->slot ||
	       sb->merging || sb->state == SB_CREATING ||
	       sb->state == SB_REMOVING;
}

static void answer(struct job *j)
{
	uint64_t bytes = 0;

	for (size_t k = 0; k < j->gc.n; k++) {
		const struct gc_item *i = &j->gc.items[k];
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", i->base, i->name);
		json_array_append_new(j->removed, json_pack(
			"{s:s, s:s, s:I}", "what", gc_what_name(i->what),
			"path", path, "bytes", (json_int_t)i->bytes));
		bytes += i->bytes;
	}
	if (j->gc.err.code)
		request_fail(j->rq, &j->gc.err, NULL);
	else
		request_done(j->rq, json_pack(
			"{s:O, s:I}", "removed", j->removed, "bytes",
			(json_int_t)bytes));
	json_decref(j->removed);
	gc_free(&j->gc);
	free(j);
}

/* Work thread. */
static void remove_run(struct work_job *wj)
{
	gc_remove(&container_of(wj, struct job, job)->gc);
}

static void remove_done(struct work_job *wj)
{
	answer(container_of(wj, struct job, job));
}

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

static void add_hidden(struct job *j, const char *what, const struct sandbox *sb)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s",
		 sb->kind == SB_TEMPLATE ? "templates" : "points", sb->id);
	json_array_append_new(j->removed, json_pack("{s:s, s:s, s:i}", "what",
						    what, "path", path,
						    "bytes", 0));
}

/* Templates of images that are gone, or of another podflare. */
static void drop_templates(struct job *j, bool dry)
{
	struct runner *r = j->rq->runner;
	struct sandbox *t, *next;

	for (t = TAILQ_FIRST(&r->hidden); t; t = next) {
		next = TAILQ_NEXT(t, link);
		if (t->kind != SB_TEMPLATE || t->state == SB_REMOVING ||
		    template_is_of_use(t))
			continue;
		add_hidden(j, "template", t);
		if (!dry)
			life_remove(t, false, removed, NULL);
	}
}

/* Points are let go as soon as nobody needs them; here as well. */
static void drop_points(struct job *j, bool dry)
{
	struct runner *r = j->rq->runner;
	struct sandbox *p;

	if (dry)
		return;
	TAILQ_FOREACH(p, &r->hidden, link)
		p->marked = p->state == SB_REMOVING;
	points_sweep(r);
	TAILQ_FOREACH(p, &r->hidden, link)
		if (p->kind == SB_POINT && p->state == SB_REMOVING &&
		    !p->marked)
			add_hidden(j, "point", p);
}

/* Work thread. */
static void find_run(struct work_job *wj)
{
	gc_find(&container_of(wj, struct job, job)->gc);
}

static void find_done(struct work_job *wj)
{
	struct job *j = container_of(wj, struct job, job);
	bool dry = param_bool(j->rq->params, "dry_run");
	size_t n = 0;

	for (size_t k = 0; k < j->gc.n; k++)
		if (!is_known(j->rq->runner, &j->gc.items[k]))
			j->gc.items[n++] = j->gc.items[k];
	j->gc.n = n;
	drop_templates(j, dry);
	drop_points(j, dry);
	if (dry || !n) {
		answer(j);
		return;
	}
	j->job.run = remove_run;
	j->job.done = remove_done;
	work_submit(&j->rq->runner->work, WORK_BULK, &j->job);
}

void method_runner_gc(struct request *rq)
{
	struct job *j = calloc(1, sizeof(*j));
	struct err err = ERR_INIT;

	if (!j || rq->runner->ending) {
		err_set(&err, j ? ERR_STATE : ERR_NO_MEMORY,
			"the runner is ending");
		free(j);
		request_fail(rq, &err, NULL);
		return;
	}
	j->rq = rq;
	j->gc.places = rq->runner->places;
	j->removed = json_array();
	j->job.run = find_run;
	j->job.done = find_done;
	work_submit(&rq->runner->work, WORK_BULK, &j->job);
}
