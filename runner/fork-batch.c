/* SPDX-License-Identifier: MIT */
/*
 * runner/fork-batch.c - the copies of one CTL_FORK: prepare, freeze, fork
 *
 * podflared, loop thread; preparing on work threads.  See fork.c.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/agent.h"
#include "runner/agent.h"
#include "runner/fork-slot.h"
#include "runner/vmctl-fork.h"

#define PREP_CHUNK 2	/* copies that one thread prepares in a row */

_Static_assert(FORK_PREPS * PREP_CHUNK >= VM_FORK_MAX, "jobs of a batch");

/* The batch cannot be made. The copies of earlier ones stand. */
static void fail_batch(struct fork *f, const struct err *err)
{
	if (f->first && !f->cancelled)
		fork_fail_rest(f, err);
	else
		fork_fail_all(f, f->cancelled ? &f->err : err);
}

/* What is left of the batch's slots. Return: how many copies that run. */
static unsigned int fill_children(struct fork *f, struct vm_fork_child *c,
				  struct fork_slot **of, unsigned int *n)
{
	unsigned int running = 0;

	*n = 0;
	for (unsigned int i = f->first; i < f->first + f->batch; i++) {
		struct fork_slot *s = &f->slots[i];

		if (s->err.code)
			continue;
		of[*n] = s;
		c[(*n)++] = (struct vm_fork_child){
			.sock = s->files.sock, .console = s->files.console,
			.exit = s->files.exit, .log = s->files.log,
			.layer = s->files.layer, .hold = s->held,
		};
		running += !s->held;
	}
	return running;
}

/* The point: what later batches are made of. */
static struct fork_slot *point_of(struct fork *f)
{
	return f->slots[0].held ? &f->slots[0] : NULL;
}

static void next_batch(struct fork *f)
{
	struct fork_slot *point = point_of(f);
	struct err err = ERR_INIT;

	f->first += f->batch;
	if (f->first < f->nr_slots && f->source->kind == SB_SANDBOX) {
		fork_leave_source(f);
		if (!point || point->err.code || !point->sb->vm) {
			err_set(&err, ERR_UNAVAILABLE, "the copy that the "
				"others were to be made of was lost");
			fork_fail_rest(f, &err);
			return;
		}
		f->source = point->sb;	/* the slot has a reference */
	}
	if (f->first < f->nr_slots && !f->cancelled) {
		f->batch = MIN(f->nr_slots - f->first, VM_FORK_MAX);
		if (f->top >= 0)
			close(f->top);
		f->top = -1;
		fork_batch_start(f);
		return;
	}
	f->forked_ns = now_ns();
	if (f->cancelled) {
		fork_fail_all(f, &f->err);
		return;
	}
	fork_step_done(f, "fork");
	f->forked = true;
	f->busy++;
	fork_leave_source(f);
	f->busy--;
	fork_check_done(f);
}

static void slot_error(struct fork_slot *s, int sys, const char *detail)
{
	struct err err = ERR_INIT;

	err_sys(&err, sys, "sandbox %s: the copy was not made", s->sb->name);
	if (*detail)
		snprintf(err.msg, sizeof(err.msg), "sandbox %s: %s",
			 s->sb->name, detail);
	fork_slot_fail(s, &err);
}

/* What the VMM has made before it died, or stopped answering, it can tell no
 * more. A copy that was not ready by then ends by itself. */
static void end_untold(struct fork *f)
{
	for (unsigned int i = f->first; i < f->first + f->batch; i++) {
		const struct sandbox *sb = f->slots[i].sb;

		vmproc_kill_listener(f->runner, sb->id, sb->dirfd);
	}
}

static void forked(void *arg, const struct err *err, const struct vm_forked *v)
{
	struct vm_fork_child children[VM_FORK_MAX];
	struct fork_slot *of[VM_FORK_MAX];
	struct fork *f = arg;
	const char *detail;
	struct err e;
	unsigned int i, n;

	f->busy--;
	if (f->frozen >= 0)
		close(f->frozen);
	f->frozen = -1;
	if (err) {
		e = *err;
		err_context(&e, "sandbox %s", f->origin->name);
		end_untold(f);
		fail_batch(f, &e);
		return;
	}
	f->pause_ns = MAX(f->pause_ns, v->pause_ns);
	if (!sandbox_is_held(f->source)) {
		f->top_used = !v->kept_top;
		f->kept = v->kept_top && f->chain.n;
		if (f->kept)
			f->kept_nr = f->chain.nr[--f->chain.n];
	}
	f->busy++;
	f->forked_ns = now_ns();
	fill_children(f, children, of, &n);
	detail = v->detail;
	for (i = 0; i < n && i < v->n; i++) {
		fork_close_files(of[i]);
		if (!v->error[i]) {
			fork_slot_born(of[i], v->pid[i]);
			continue;
		}
		slot_error(of[i], v->error[i], detail);
		detail = "";	/* it is the first one's */
	}
	if (f->ops->born && !f->cancelled)
		f->ops->born(f->arg, f->first, f->batch);
	f->busy--;
	next_batch(f);
}

static void send_fork(struct fork *f)
{
	struct vm_fork_child children[VM_FORK_MAX];
	struct fork_slot *of[VM_FORK_MAX];
	struct err err = ERR_INIT;
	unsigned int n, running = fill_children(f, children, of, &n);

	/* a point without copies is of no use; a template is made alone */
	if (n == 0 || (running == 0 && f->nr_slots > 1)) {
		next_batch(f);
		return;
	}
	if (fork_source_ready(f, &err) &&
	    vmctl_fork(vmproc_ctl(f->source->vm), f->top, children, n,
		       f->runner->boot_timeout_ms, forked, f, &err)) {
		f->busy++;
		return;
	}
	fail_batch(f, &err);
}

static void frozen(void *arg, const struct err *err, const uint8_t *values,
		   size_t len, int fd)
{
	struct fork *f = arg;

	f->freeze = NULL;
	if (err) {
		struct err e = *err;

		err_context(&e, "sandbox %s: cannot be made to stand still",
			    f->source->name);
		if (f->busy)	/* being prepared still */
			f->freeze_err = e;
		else
			fork_fail_all(f, &e);
		return;
	}
	f->frozen = fd;
	fork_step_done(f, "freeze");
	send_fork(f);
}

/* The first error of the slots, when none of those that run is left. */
static const struct err *no_copy_left(const struct fork *f)
{
	const struct err *first = NULL;

	for (unsigned int i = f->first; i < f->first + f->batch; i++) {
		const struct fork_slot *s = &f->slots[i];

		if (!s->held && !s->err.code)
			return NULL;
		if (s->err.code && !first)
			first = &s->err;
	}
	return first;
}

static void prepared(struct fork *f)
{
	struct fork_slot *point = point_of(f);
	const struct err *none = no_copy_left(f);
	struct err err = ERR_INIT;

	if (f->cancelled)
		err = f->err;
	else if (f->prep_err.code)
		err = f->prep_err;
	else if (f->freeze_err.code)
		err = f->freeze_err;
	else if (!f->first && point && point->err.code)
		err = point->err;
	else if (!f->first && none)
		err = *none;
	if (err.code) {
		fail_batch(f, &err);
		return;
	}
	for (unsigned int i = f->first; i < f->first + f->batch; i++) {
		struct fork_slot *s = &f->slots[i];

		if (s->err.code)
			fork_slot_fail(s, &s->err);
		else if (s->unwanted)
			fork_slot_unwanted(s);
	}
	if (!f->first)
		fork_step_done(f, "prepare");
	if (f->source->kind == SB_SANDBOX)
		agent_go(f->freeze);
	else
		send_fork(f);
}

static void prep_done(struct work_job *j)
{
	struct fork *f = container_of(j, struct fork_prep, job)->fork;

	if (--f->busy == 0)
		prepared(f);
}

/* Work thread. */
static void prep_run(struct work_job *j)
{
	struct fork_prep *p = container_of(j, struct fork_prep, job);

	for (unsigned int i = p->first; i < p->first + p->n; i++)
		fork_prepare_slot(&p->fork->slots[i]);
}

/* The source's part is done: the rest of the copies in parallel. */
static void first_prep_done(struct work_job *j)
{
	struct fork_prep *p = container_of(j, struct fork_prep, job);
	struct fork *f = p->fork;
	unsigned int at, end = f->first + f->batch, k = 1;

	for (at = p->first + p->n; at < end; at += PREP_CHUNK) {
		struct fork_prep *q = &f->preps[k++];

		*q = (struct fork_prep){
			.job = { .run = prep_run, .done = prep_done },
			.fork = f, .first = at, .n = MIN(PREP_CHUNK, end - at),
		};
		f->busy++;
		work_submit(&f->runner->work, WORK_FORK, &q->job);
	}
	prep_done(j);
}

/* Work thread. */
static void first_prep_run(struct work_job *j)
{
	struct fork_prep *p = container_of(j, struct fork_prep, job);

	fork_prepare_source(p->fork);
	prep_run(j);
}

void fork_batch_start(struct fork *f)
{
	struct fork_prep *p = &f->preps[0];

	*p = (struct fork_prep){
		.job = { .run = first_prep_run, .done = first_prep_done },
		.fork = f, .first = f->first, .n = MIN(PREP_CHUNK, f->batch),
	};
	f->busy++;
	work_submit(&f->runner->work, WORK_FORK, &p->job);
}

int fork_batch_connect(struct fork *f, struct err *err)
{
	struct runner *r = f->runner;

	f->freeze = agent_hold(&r->loop, vmproc_ctl(f->source->vm),
			       AGENT_FREEZE, r->agent_timeout_ms, frozen, f,
			       err);
	return f->freeze ? 0 : -1;
}
