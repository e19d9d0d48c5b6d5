/* SPDX-License-Identifier: MIT */
/*
 * runner/template.c - images that are booted and warm, kept in memory
 *
 * podflared, loop thread.  Distrusts the guest that it boots as any other: it
 * runs nothing but the image's own warm-up.
 *
 * Theory of operation: a hidden machine is booted as a sandbox is, runs the
 * image's warm-up commands, and is forked into one copy that is held
 * (fork.c): a process without threads or KVM's objects, whose RAM is what all
 * its copies share.  The machine itself is then removed.  Whoever wants the same
 * template meanwhile waits for it.
 */
#include "runner/template.h"

#include <stdio.h>

#include "common/log.h"
#include "runner/boot.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/names.h"
#include "runner/store.h"
#include "runner/warmup.h"

#define TEMPLATES_MAX 8	/* the least used one gives way */

struct template_wait {
	TAILQ_ENTRY(template_wait) link;
	struct template_job *job;
	const struct template_ops *ops;
	void *arg;
};

struct template_job {
	LIST_ENTRY(template_job) link;
	struct runner *runner;
	struct sandbox *machine;	/* that is booted; a reference */
	struct sandbox *held;		/* the template; a reference, or NULL */
	struct warmup *warmup;
	struct fork *fork;
	TAILQ_HEAD(, template_wait) waits;
};

static bool alike(const struct sandbox *a, const struct sandbox *b)
{
	return strcmp(a->digest, b->digest) == 0 && a->cpus == b->cpus &&
	       a->memory == b->memory && a->disk == b->disk;
}

struct sandbox *template_find(struct sandbox *sb)
{
	struct sandbox *t;

	TAILQ_FOREACH(t, &sb->runner->hidden, link)
		if (t->kind == SB_TEMPLATE && t->state == SB_HELD && t->vm &&
		    alike(t, sb)) {
			t->used_ns = now_ns();
			return t;
		}
	return NULL;
}

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

/* Tell all, take everything down but a template that is ready. @console: the
 * callee's. */
static void finish(struct template_job *job, const struct err *err,
		   json_t *console)
{
	struct sandbox *held = job->held;
	json_t *steps = json_incref(job->machine->steps);
	struct template_wait *w;

	LIST_REMOVE(job, link);
	life_remove(job->machine, false, removed, NULL);
	while ((w = TAILQ_FIRST(&job->waits))) {
		TAILQ_REMOVE(&job->waits, w, link);
		w->ops->done(w->arg, err ? NULL : held, steps, err,
			     console ? json_deep_copy(console) : NULL);
		free(w);
	}
	json_decref(console);
	json_decref(steps);
	sandbox_unref(job->machine);
	if (held)
		sandbox_unref(held);
	free(job);
}

static void captured(void *arg, const struct err *err)
{
	struct template_job *job = arg;
	struct err e = job->fork->slots[0].err;

	job->fork = NULL;
	if (err)
		e = *err;
	if (e.code && e.code != ERR_CANCELLED) {
		/* this host allows no copies: then all are booted */
		log_warn("no templates from now on: %s", e.msg);
		job->runner->cold = true;
	}
	job->held->used_ns = now_ns();
	finish(job, e.code ? &e : NULL, NULL);
}

/* A hidden machine for what @like is to be. Return: not a reference, NULL with
 * @err. */
static struct sandbox *hidden_like(const struct sandbox *like,
				   enum sandbox_kind kind, struct err *err)
{
	char id[SANDBOX_ID_LEN + 1];
	struct sandbox *sb;

	names_id(id);
	sb = sandbox_new(like->runner, kind, id, id, SB_CREATING, err);
	if (!sb)
		return NULL;
	snprintf(sb->image, sizeof(sb->image), "%s", like->image);
	snprintf(sb->digest, sizeof(sb->digest), "%s", like->digest);
	snprintf(sb->kernel, sizeof(sb->kernel), "%s", like->kernel);
	snprintf(sb->created, sizeof(sb->created), "%s", like->created);
	snprintf(sb->disk_base, sizeof(sb->disk_base), "%s", like->disk_base);
	sb->cpus = like->cpus;
	sb->memory = like->memory;
	sb->disk = like->disk;
	sb->env = json_object();
	sb->labels = json_object();
	return sb;
}

/* Make room for one more. */
static void make_room(struct runner *r)
{
	struct sandbox *t, *oldest = NULL;
	unsigned int n = 0;

	TAILQ_FOREACH(t, &r->hidden, link) {
		if (t->kind != SB_TEMPLATE || t->state == SB_REMOVING)
			continue;
		n++;
		/* one that is being copied is referred to by the fork */
		if (t->refs == 1 &&
		    (!oldest || t->used_ns < oldest->used_ns))
			oldest = t;
	}
	if (n >= TEMPLATES_MAX && oldest)
		life_remove(oldest, false, removed, NULL);
}

static void capture(struct template_job *job)
{
	static const struct fork_ops ops = { .done = captured };
	struct err err = ERR_INIT;
	struct sandbox *held;

	make_room(job->runner);
	held = hidden_like(job->machine, SB_TEMPLATE, &err);
	if (held)
		job->held = sandbox_ref(held);
	if (held)
		job->fork = fork_new(job->machine, 1, &ops, job, &err);
	if (!job->fork) {
		if (held)
			sandbox_unregister(held);
		finish(job, &err, NULL);
		return;
	}
	fork_add(job->fork, held, true);
	fork_start(job->fork);
}

static void warmed(void *arg)
{
	struct template_job *job = arg;

	job->warmup = NULL;
	capture(job);
}

static void progress(void *arg, const char *step, const char *text)
{
	struct template_job *job = arg;
	struct template_wait *w;

	TAILQ_FOREACH(w, &job->waits, link)
		if (w->ops->progress)
			w->ops->progress(w->arg, step, text);
}

static void booted(void *arg, const struct err *err, json_t *console)
{
	struct template_job *job = arg;

	if (err) {
		finish(job, err, console);
		return;
	}
	json_decref(console);
	sandbox_move(job->machine, SB_EV_READY);
	progress(job, "warmup", "warming up");
	job->warmup = warmup_start(job->machine, warmed, job);
	if (!job->warmup)
		capture(job);
}

static struct template_job *begin(struct sandbox *like, struct err *err)
{
	static const struct boot_ops ops = {
		.progress = progress, .done = booted,
	};
	const struct boot_plan plan = { .how = BOOT_COLD };
	struct template_job *job = calloc(1, sizeof(*job));
	struct sandbox *sb;

	if (!job) {
		err_set(err, ERR_NO_MEMORY, "template");
		return NULL;
	}
	sb = hidden_like(like, SB_VIEW, err);
	if (!sb) {
		free(job);
		return NULL;
	}
	job->runner = like->runner;
	job->machine = sandbox_ref(sb);
	TAILQ_INIT(&job->waits);
	LIST_INSERT_HEAD(&job->runner->template_jobs, job, link);
	if (store_make(sb, err) == 0 &&
	    boot_start(sb, &plan, &life_vm_ops, sb, &ops, job, err) == 0)
		return job;
	LIST_REMOVE(job, link);
	life_remove(sb, false, removed, NULL);
	sandbox_unref(sb);
	free(job);
	return NULL;
}

struct template_wait *template_make(struct sandbox *sb,
				    const struct template_ops *ops, void *arg,
				    struct err *err)
{
	struct template_wait *w = calloc(1, sizeof(*w));
	struct template_job *job;

	if (!w) {
		err_set(err, ERR_NO_MEMORY, "template");
		return NULL;
	}
	LIST_FOREACH(job, &sb->runner->template_jobs, link)
		if (alike(job->machine, sb))
			break;
	if (!job)
		job = begin(sb, err);
	if (!job) {
		free(w);
		return NULL;
	}
	w->job = job;
	w->ops = ops;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&job->waits, w, link);
	return w;
}

void template_cancel(struct template_wait *w)
{
	TAILQ_REMOVE(&w->job->waits, w, link);
	free(w);
}

void template_drop_image(struct runner *r, const char *digest)
{
	struct sandbox *t, *next;

	for (t = TAILQ_FIRST(&r->hidden); t; t = next) {
		next = TAILQ_NEXT(t, link);
		if (t->kind == SB_TEMPLATE && t->state != SB_REMOVING &&
		    strcmp(t->digest, digest) == 0)
			life_remove(t, false, removed, NULL);
	}
}

void template_sweep(struct runner *r)
{
	struct sandbox *t, *next;

	for (t = TAILQ_FIRST(&r->hidden); t; t = next) {
		next = TAILQ_NEXT(t, link);
		if (t->kind == SB_TEMPLATE && t->state != SB_REMOVING &&
		    (t->state != SB_HELD || !t->vm))
			life_remove(t, false, removed, NULL);
	}
}

/* Nobody waits any more; the machine is left to the next runner, which removes
 * what is half made. */
void template_let_go(struct runner *r)
{
	struct template_job *job;

	while ((job = LIST_FIRST(&r->template_jobs))) {
		LIST_REMOVE(job, link);
		if (job->machine->boot)
			boot_cancel(job->machine);
		if (job->warmup)
			warmup_cancel(job->warmup);
		if (job->machine->vm)
			vmproc_free(job->machine->vm);
		job->machine->vm = NULL;
		sandbox_unregister(job->machine);
		sandbox_unref(job->machine);
		if (job->held)
			sandbox_unref(job->held);
		free(job);
	}
}
