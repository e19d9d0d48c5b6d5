/* SPDX-License-Identifier: MIT */
/*
 * runner/fork.c - live copies of a sandbox, or of a point
 *
 * podflared, loop thread.  Distrusts the source's VMM and guest to answer, and
 * what the VMM says of the processes that it made (vmproc_take()).
 *
 * Theory of operation:
 *
 *	prepare	folders, layers, sockets of all copies, by work threads
 *	freeze	the guest's agent stops the user's processes (FREEZE), so that
 *		none of them runs in a copy before it has its own randomness;
 *		they go on when that stream is closed, on whatever path
 *	fork	the VMM makes the processes (CTL_FORK)
 *	agent	each copy is greeted, and saved meanwhile: fork-slot.c
 *
 * One CTL_FORK makes VM_FORK_MAX copies at most, and the guest stands still for
 * as long as it takes.  So of many copies only the first batch comes from the
 * sandbox itself; with it comes the held one, the fork's point, which all the
 * others are copies of: they have the same state.
 *
 * Forks of one sandbox take turns, as each puts a layer on its disk.  When there
 * are many, some of them are made one, in the background; a fork waits for that
 * when there is no room for another layer.
 */
#include "runner/fork.h"

#include <unistd.h>

#include "common/log.h"
#include "runner/agent.h"
#include "runner/flatten.h"
#include "runner/fork-slot.h"
#include "runner/vmctl-fork.h"

#define FIRST_BATCH 17	/* of a running sandbox: it waits for all of them */

static void begin(struct fork *f);

static void add_step(struct fork *f, const char *name, uint64_t from,
		     uint64_t to)
{
	double ms = to > from ? (double)(to - from) / 1e6 : 0;

	json_array_append_new(f->steps, json_pack("{s:s, s:f}", "name", name,
						  "ms", ms));
}

void fork_step_done(struct fork *f, const char *name)
{
	uint64_t now = now_ns();

	add_step(f, name, f->mark_ns, now);
	f->mark_ns = now;
}

json_t *fork_steps(struct fork *f)
{
	return json_incref(f->steps);
}

static void fork_free(struct fork *f)
{
	for (unsigned int i = 0; i < f->nr_slots; i++)
		sandbox_unref(f->slots[i].sb);
	free(f->slots);
	free(f->preps);
	json_decref(f->steps);
	sandbox_unref(f->origin);
	free(f);
}

static void flattened(struct sandbox *src, const struct err *err);

/* Whether @f has to wait until @src has fewer layers, which is begun. */
static bool is_full(struct fork *f, struct sandbox *src)
{
	struct chain c;

	if (src->kind != SB_SANDBOX || f->shortened ||
	    chain_list(src->dirfd, &c, NULL) < 0 || c.n < CHAIN_MAX)
		return false;
	if (src->flat || flatten_start(src, flattened, &f->flat_err) == 0)
		return true;
	f->shortened = true;
	return false;
}

/* The next one may copy it, if nobody does. */
static void next(struct sandbox *src)
{
	struct fork *f;

	if (src->fork || flatten_holds(src) || flatten_turn(src))
		return;
	f = TAILQ_FIRST(&src->forks);
	if (!f || src->fork || is_full(f, src))
		return;
	TAILQ_REMOVE(&src->forks, f, link);
	begin(f);
}

static void let_go(struct fork *f, struct sandbox *src)
{
	if (src->fork != f)
		return;
	src->fork = NULL;
	next(src);
}

/* More layers than are good for a disk that is read: in time, make few of
 * them. */
static void shorten(struct sandbox *src)
{
	struct err err = ERR_INIT;
	struct chain c;

	if (src->kind == SB_SANDBOX && src->state == SB_RUNNING && !src->flat &&
	    chain_list(src->dirfd, &c, &err) == 0 && c.n > CHAIN_FLATTEN)
		flatten_start(src, flattened, &err);
}

static void flattened(struct sandbox *src, const struct err *err)
{
	struct fork *f;

	if (err)
		TAILQ_FOREACH(f, &src->forks, link) {
			f->shortened = true;
			f->flat_err = *err;
		}
	else
		shorten(src);
	life_remove_go_on(src);
	next(src);
	life_settle(src);
}

/* When nothing is in flight any more. */
void fork_check_done(struct fork *f)
{
	struct runner *r = f->runner;
	uint64_t now = now_ns();

	if (!f->forked || f->unsettled || f->busy)
		return;
	add_step(f, "agent", f->forked_ns, f->greeted_ns);
	add_step(f, "save", MAX(f->forked_ns, f->greeted_ns), now);
	let_go(f, f->source);
	r->nr_forks--;
	f->ops->done(f->arg, f->err.code ? &f->err : NULL);
	shorten(f->origin);
	fork_free(f);
}

void fork_slot_settled(struct fork_slot *s)
{
	s->fork->unsettled--;
	fork_check_done(s->fork);
}

/* Work thread: the origin's fresh layer is not needed. */
static void tidy_run(struct work_job *j)
{
	struct fork *f = container_of(j, struct fork, tidy);
	struct err err = ERR_INIT;

	if (chain_drop(f->origin->dirfd, f->top_nr, &err) < 0)
		log_warn("sandbox %s: %s", f->origin->id, err.msg);
}

static void tidy_done(struct work_job *j)
{
	struct fork *f = container_of(j, struct fork, tidy);

	f->busy--;
	let_go(f, f->origin);
	fork_check_done(f);
}

/* No further batch is made of the source. */
void fork_leave_source(struct fork *f)
{
	bool tidy = f->top >= 0 && !f->top_used &&
		    f->source->kind == SB_SANDBOX;

	if (f->frozen >= 0)
		close(f->frozen);
	f->frozen = -1;
	if (f->top >= 0)
		close(f->top);
	f->top = -1;
	if (!tidy) {
		let_go(f, f->source);
		return;
	}
	f->busy++;
	f->tidy.run = tidy_run;
	f->tidy.done = tidy_done;
	work_submit(&f->runner->work, WORK_FORK, &f->tidy);
}

/* There will be no more processes: fail the slots that have none. */
void fork_fail_rest(struct fork *f, const struct err *err)
{
	f->busy++;
	if (f->freeze)
		agent_cancel(f->freeze);
	f->freeze = NULL;
	fork_leave_source(f);
	f->forked = true;
	if (!f->forked_ns)
		f->forked_ns = now_ns();
	for (unsigned int i = f->first; i < f->nr_slots; i++)
		fork_slot_fail(&f->slots[i], err);
	f->busy--;
	fork_check_done(f);
}

/* Fail them all: there is to be no copy. */
void fork_fail_all(struct fork *f, const struct err *err)
{
	if (!f->err.code)
		f->err = *err;
	f->busy++;
	for (unsigned int i = 0; i < f->first; i++)
		fork_slot_fail(&f->slots[i], err);
	fork_fail_rest(f, err);
	f->busy--;
	fork_check_done(f);
}

bool fork_source_ready(struct fork *f, struct err *err)
{
	struct sandbox *src = f->source;

	if (f->cancelled) {
		*err = f->err;
		return false;
	}
	if (sandbox_is_held(src) && src->state != SB_HELD && !src->slot) {
		err_set(err, ERR_UNAVAILABLE, "the %s %s is gone: %s",
			src->kind == SB_POINT ? "fork's point" : "template",
			src->id, src->reason);
		return false;
	}
	if (src->kind == SB_SANDBOX && src->state != SB_RUNNING) {
		sandbox_state_error(src, err);
		return false;
	}
	if (!src->vm || !vmproc_ctl(src->vm)) {
		err_set(err, ERR_UNAVAILABLE, "sandbox %s: its VMM has ended",
			src->name);
		return false;
	}
	return true;
}

/* It is our turn. */
static void begin(struct fork *f)
{
	struct err err = ERR_INIT;

	if (f->source->kind == SB_SANDBOX)
		f->source->fork = f;
	f->started = true;
	if (fork_source_ready(f, &err)) {
		/* the connection is made while the copies are prepared */
		if (f->source->kind != SB_SANDBOX ||
		    fork_batch_connect(f, &err) == 0) {
			fork_batch_start(f);
			return;
		}
	}
	fork_fail_all(f, &err);
}

struct fork *fork_new(struct sandbox *source, unsigned int n,
		      const struct fork_ops *ops, void *arg, struct err *err)
{
	struct fork *f = calloc(1, sizeof(*f));

	if (f) {
		f->slots = calloc(n, sizeof(*f->slots));
		f->preps = calloc(FORK_PREPS,
				  sizeof(*f->preps));
	}
	if (!f || !f->slots || !f->preps) {
		err_set(err, ERR_NO_MEMORY, "fork");
		if (f)
			free(f->slots);
		free(f);
		return NULL;
	}
	f->runner = source->runner;
	f->origin = f->source = sandbox_ref(source);
	f->ops = ops;
	f->arg = arg;
	f->top = f->frozen = -1;
	f->steps = json_array();
	f->mark_ns = now_ns();
	f->runner->nr_forks++;
	return f;
}

void fork_add(struct fork *f, struct sandbox *sb, bool held)
{
	struct fork_slot *s = &f->slots[f->nr_slots++];

	*s = (struct fork_slot){
		.fork = f, .sb = sandbox_ref(sb), .held = held,
		.files = { -1, -1, -1, -1, -1 },
	};
	TAILQ_INIT(&s->removals);
	sb->slot = s;
	f->unsettled++;
}

void fork_start(struct fork *f)
{
	struct sandbox *src = f->source;

	if (src->kind == SB_SANDBOX)
		f->runner->busy_ns = now_ns();
	f->batch = f->nr_slots;
	f->batch = MIN(f->batch, src->kind == SB_SANDBOX ? FIRST_BATCH
							 : VM_FORK_MAX);
	TAILQ_INSERT_TAIL(&src->forks, f, link);
	next(src);
}

void fork_cancel(struct fork *f, const struct err *err)
{
	if (f->cancelled)
		return;
	f->cancelled = true;
	f->err = *err;
	if (!f->started) {
		TAILQ_REMOVE(&f->source->forks, f, link);
		f->started = true;
		fork_fail_all(f, err);
	} else if (f->freeze && !f->busy) {
		fork_fail_all(f, err);
	} else if (f->forked) {
		f->busy++;
		for (unsigned int i = 0; i < f->nr_slots; i++)
			fork_slot_fail(&f->slots[i], err);
		f->busy--;
		fork_check_done(f);
	}
	/* else the next callback meets it */
}
