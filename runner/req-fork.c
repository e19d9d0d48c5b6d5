/* SPDX-License-Identifier: MIT */
/*
 * runner/req-fork.c - sandbox.fork
 *
 * podflared, loop thread.  Copies of a running sandbox, and the point that they
 * have in common; fork.c makes them.  Whatever can be refused is refused before
 * anything is made.  A client that goes away has its copies undone.
 */
#include <stdio.h>

#include "common/log.h"
#include "runner/copies.h"
#include "runner/events.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/limits.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/places.h"
#include "runner/points.h"
#include "runner/pool.h"
#include "runner/request.h"
#include "runner/sandbox-json.h"
#include "runner/store.h"

#define FORK_MAX 1000
#define SPACE_MIN (64 * MIB)	/* free on the data disk to fork at all */

struct forking {
	struct request *rq;
	struct fork *fork;	/* NULL once it is done */
	struct sandbox *parent;	/* a reference */
	struct sandbox_wait thaw;	/* of a frozen parent */
	bool thawing;
	struct pool_yield yield;	/* of memory */
	bool yielding;
	unsigned int n;
	struct copies copies;
	unsigned int writing;	/* events, the parent's meta.json */
	json_t *result;
	struct err err;
};

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

/* Once all is done and written. */
static void answer(struct forking *k)
{
	struct runner *r = k->parent->runner;

	if (k->fork || k->writing)
		return;
	k->rq->cancel = NULL;
	if (k->err.code) {
		/* the client may have gone when they were ready already */
		for (unsigned int i = 0; i < k->copies.n; i++)
			life_remove(k->copies.children[i], false, removed,
				    NULL);
		request_fail(k->rq, &k->err, NULL);
	} else {
		request_done(k->rq, json_incref(k->result));
	}
	json_decref(k->result);
	copies_free(&k->copies);
	sandbox_unref(k->parent);
	free(k);
	points_sweep(r);
}

static void give_up(struct forking *k, const struct err *err,
		    json_t *console)
{
	k->rq->cancel = NULL;
	request_fail(k->rq, err, json_incref(console));
	sandbox_unref(k->parent);
	free(k);
}

static void cancel(struct request *rq)
{
	struct forking *k = rq->state;

	rq->cancel = NULL;
	err_set(&k->err, ERR_CANCELLED, "the client went away");
	if (k->thawing) {
		life_use_cancel(k->parent, &k->thaw);
		give_up(k, &k->err, NULL);
	} else if (k->yielding) {
		pool_yield_cancel(&k->yield);
		give_up(k, &k->err, NULL);
	} else if (k->fork) {
		fork_cancel(k->fork, &k->err);
	}
}

static void written(void *arg, const struct err *err)
{
	struct forking *k = arg;

	/* the copies are there all the same */
	if (err)
		log_error("fork of %s: %s", k->parent->id, err->msg);
	k->writing--;
	answer(k);
}

/* The parent has passed the point, too. */
static void pass_point(struct forking *k)
{
	struct sandbox *parent = k->parent;
	const char *point = k->copies.point->id;

	if (parent->state == SB_REMOVING || !strcmp(parent->head, point))
		return;
	snprintf(parent->head, sizeof(parent->head), "%s", point);
	k->writing++;
	store_save(parent, written, k);
}

static void born(void *arg, unsigned int first, unsigned int n)
{
	struct forking *k = arg;
	json_t *events = json_array(), *e;

	pass_point(k);
	for (unsigned int i = MAX(first, 1); i < first + n; i++) {
		struct sandbox *sb = k->copies.children[i - 1];

		if (!sb->vm)
			continue;
		e = event_new("fork", sb);
		json_object_update_new(e, json_pack(
			"{s:s, s:s, s:s}", "parent", k->parent->id,
			"parent_name", k->parent->name, "point",
			k->copies.point->id));
		json_array_append_new(events, e);
		sb->logged = true;
	}
	k->writing++;
	events_put(k->parent->runner, events, written, k);
}

/* What became of a child. Return: false with @err. */
static bool check_child(struct forking *k, unsigned int i, struct err *err)
{
	const struct sandbox *sb = k->copies.children[i];

	*err = k->fork->slots[i + 1].err;
	if (!err->code && sb->state != SB_RUNNING && sb->state != SB_PAUSED)
		err_set(err, ERR_GUEST, "sandbox %s: ended at once: %s",
			sb->name, sb->reason);
	return !err->code;
}

static json_t *error_item(const struct err *err)
{
	json_t *e = json_pack("{s:s, s:s}", "code", err_code_name(err->code),
			      "message", err->msg);

	if (err->hint[0])
		json_object_set_new(e, "hint", json_string(err->hint));
	return json_pack("{s:o}", "error", e);
}

/* Nothing will be known of a point that was lost. */
static void forget_point(struct forking *k)
{
	struct copies *c = &k->copies;

	for (unsigned int i = 0; i < c->n; i++) {
		struct sandbox *sb = c->children[i];

		if (sb->state == SB_REMOVING)
			continue;
		sb->origin.point[0] = '\0';
		snprintf(sb->head, sizeof(sb->head), "%s", c->point->head);
		store_save(sb, NULL, NULL);
	}
	if (k->parent->state == SB_REMOVING ||
	    strcmp(k->parent->head, c->point->id) != 0)
		return;
	snprintf(k->parent->head, sizeof(k->parent->head), "%s",
		 c->point->head);
	store_save(k->parent, NULL, NULL);
}

static void done(void *arg, const struct err *err)
{
	struct forking *k = arg;
	json_t *list = json_array();
	struct err e, first = ERR_INIT;
	unsigned int good = 0;
	size_t used = 0;

	if (err)
		first = *err;
	if (k->fork->slots[0].err.code)
		forget_point(k);
	for (unsigned int i = 0; i < k->copies.n; i++) {
		struct sandbox *sb = k->copies.children[i];

		if (check_child(k, i, &e)) {
			good++;
			json_array_append_new(list, sandbox_to_item(sb, &used));
			continue;
		}
		if (!first.code)
			first = e;
		json_array_append_new(list, error_item(&e));
		life_remove(sb, false, removed, NULL);
	}
	k->result = json_pack("{s:o, s:f, s:o}", "children", list, "pause_ms",
			      (double)k->fork->pause_ns / 1e6, "steps",
			      fork_steps(k->fork));
	if (!k->err.code && !good)
		k->err = first;
	k->fork = NULL;
	answer(k);
}

static const struct fork_ops ops = { .born = born, .done = done };

static int check_parent(struct runner *r, const struct sandbox *sb,
			unsigned int n, struct err *err)
{
	struct limits_fork f = { .n = n, .held = 1, .cpus = sb->cpus,
				 .name = sb->name };

	if (r->ending)
		return err_set(err, ERR_STATE, "the runner is ending");
	if (sb->state != SB_RUNNING) {
		sandbox_state_error(sb, err);
		if (sb->state == SB_STOPPED)
			err_hint(err, "only a running one can be forked; "
				 "podflare exec %s true starts it", sb->name);
		return err_context(err, "cannot fork");
	}
	if (sb->kind != SB_SANDBOX || !sb->vm)
		return err_set(err, ERR_STATE, "sandbox %s: cannot be forked",
			       sb->name);
	if (!sandbox_is_forked(sb) && sandbox_check_idle(sb, err) < 0)
		return -1;
	if (r->nr_sandboxes + n > RUNNER_SANDBOXES_MAX)
		return err_set(err, ERR_LIMIT, "there are %u sandboxes, %u more "
			       "would be over %d", r->nr_sandboxes, n,
			       RUNNER_SANDBOXES_MAX);
	f.vmm = vmproc_pid(sb->vm);
	if (limits_check_fork(&f, err) < 0)
		return -1;
	return places_check_space(&r->places, SPACE_MIN, err);
}

static void begin(struct forking *k);

static void yielded(struct pool_yield *y)
{
	struct forking *k = container_of(y, struct forking, yield);

	k->yielding = false;
	begin(k);
}

/* Whether it is worth to try again, with the memory of the pool's members. */
static bool take_memory(struct forking *k, const struct err *err)
{
	k->yield.cb = yielded;
	k->yielding = err->code == ERR_NO_MEMORY &&
		      pool_yield(k->parent->runner, &k->yield);
	return k->yielding;
}

/* The parent runs, as far as that could be helped. */
static void begin(struct forking *k)
{
	struct err err = ERR_INIT;

	if (check_parent(k->parent->runner, k->parent, k->n, &err) < 0) {
		if (!take_memory(k, &err))
			give_up(k, &err, NULL);
		return;
	}
	if (copies_make(&k->copies, k->parent, k->rq->params, k->n,
			&err) < 0) {
		give_up(k, &err, NULL);
		return;
	}
	k->fork = fork_new(k->parent, k->n + 1, &ops, k, &err);
	if (!k->fork) {
		copies_unregister(&k->copies);
		copies_free(&k->copies);
		give_up(k, &err, NULL);
		return;
	}
	fork_add(k->fork, k->copies.point, true);
	for (unsigned int i = 0; i < k->copies.n; i++)
		fork_add(k->fork, k->copies.children[i], false);
	fork_start(k->fork);
}

static void thawed(struct sandbox_wait *w, const struct err *err,
		   json_t *console)
{
	struct forking *k = container_of(w, struct forking, thaw);

	k->thawing = false;
	if (err)
		give_up(k, err, console);
	else
		begin(k);
}

void method_sandbox_fork(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *parent = sandbox_find(rq->runner,
					      param_str(rq->params, "sandbox",
							""), &err);
	struct forking *k = NULL;
	uint64_t n = 1;

	if (parent &&
	    param_range(rq->params, "n", 1, FORK_MAX, &n, &err) == 0) {
		k = calloc(1, sizeof(*k));
		if (!k)
			err_set(&err, ERR_NO_MEMORY, "fork");
	}
	if (!k) {
		request_fail(rq, &err, NULL);
		return;
	}
	k->rq = rq;
	k->n = (unsigned int)n;
	k->parent = sandbox_ref(parent);
	rq->state = k;
	rq->cancel = cancel;
	if (parent->state != SB_FROZEN && parent->state != SB_THAWING) {
		begin(k);
		return;
	}
	request_progress(rq, "thaw", "thawing the sandbox", -1);
	k->thawing = true;
	k->thaw.cb = thawed;
	life_use(parent, &k->thaw);
}
