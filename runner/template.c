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
 *
 * When there is time it is written to files, too (template-file.c).  One whose
 * process has ended is SB_FROZEN then, and is had from them when it is wanted
 * next; from files that are refused it is made anew.
 */
#include "runner/template.h"

#include <stdio.h>

#include "common/log.h"
#include "runner/boot.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/names.h"
#include "runner/store.h"
#include "runner/template-file.h"
#include "runner/template-find.h"
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
	struct sandbox *machine;	/* that is booted, or the template that
					 * comes from files; a reference */
	bool filed;	/* it comes from files */
	struct sandbox *held;		/* the template; a reference, or NULL */
	struct warmup *warmup;
	struct fork *fork;
	TAILQ_HEAD(, template_wait) waits;
};

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
	const char *how = job->filed ? "template file" : "zygote";
	struct template_wait *w;
	struct err e = ERR_INIT;

	if (err) {
		/* nobody knows the hidden machine: whoever waits names his
		 * own sandbox */
		e = *err;
		sandbox_drop_name(job->machine, &e);
		err = &e;
	}

	LIST_REMOVE(job, link);
	if (!job->filed)
		life_remove(job->machine, false, removed, NULL);
	while ((w = TAILQ_FIRST(&job->waits))) {
		TAILQ_REMOVE(&job->waits, w, link);
		w->ops->done(w->arg, err ? NULL : held, how, steps, err,
			     console ? json_deep_copy(console) : NULL);
		free(w);
	}
	json_decref(console);
	json_decref(steps);
	sandbox_unref(job->machine);
	if (held && !err)
		template_file_want(held);
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
	sb->card = like->card;
	sb->env = json_object();
	sb->labels = json_object();
	if (kind == SB_TEMPLATE)
		template_stamp(sb);
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

/* Boot a machine like @like. Return: 0, or -1 with @err and nothing begun. */
static int boot(struct template_job *job, const struct sandbox *like,
		struct err *err)
{
	static const struct boot_ops ops = {
		.progress = progress, .done = booted,
	};
	const struct boot_plan plan = { .how = BOOT_COLD };
	struct sandbox *sb = hidden_like(like, SB_VIEW, err);

	if (!sb)
		return -1;
	sb->disk_base[0] = '\0';	/* it has no disk yet */
	if (store_make(sb, err) < 0 ||
	    boot_start(sb, &plan, &life_vm_ops, sb, &ops, job, err) < 0) {
		life_remove(sb, false, removed, NULL);
		return -1;
	}
	job->filed = false;
	job->machine = sandbox_ref(sb);
	return 0;
}

/* It is made anew, if it cannot be had from its files. */
static void restored(void *arg, const struct err *err, json_t *console)
{
	struct template_job *job = arg;
	struct sandbox *t = job->machine;
	struct err e = ERR_INIT;

	json_decref(console);
	if (!err) {
		sandbox_move(t, SB_EV_HELD);
		job->held = sandbox_ref(t);
		finish(job, NULL, NULL);
		return;
	}
	e = *err;
	if (t->state != SB_REMOVING && !job->runner->ending)
		log_warn("template %s of %s: made anew: %s", t->id, t->image,
			 err->msg);
	if (job->runner->ending || boot(job, t, &e) < 0) {
		finish(job, &e, NULL);
		life_remove(t, false, removed, NULL);
	} else {
		life_remove(t, false, removed, NULL);
		sandbox_unref(t);
	}
}

/* @t comes from its files. */
static int restore(struct template_job *job, struct sandbox *t,
		   struct err *err)
{
	static const struct boot_ops ops = {
		.progress = progress, .done = restored,
	};
	const struct boot_plan plan = { .how = BOOT_CHECK };

	if (boot_start(t, &plan, &life_vm_ops, t, &ops, job, err) < 0)
		return -1;
	sandbox_move(t, SB_EV_START);
	job->filed = true;
	job->machine = sandbox_ref(t);
	return 0;
}

static struct template_job *begin(struct sandbox *like, struct err *err)
{
	struct template_job *job = calloc(1, sizeof(*job));
	struct sandbox *t;
	int rc;

	if (!job) {
		err_set(err, ERR_NO_MEMORY, "template");
		return NULL;
	}
	job->runner = like->runner;
	TAILQ_INIT(&job->waits);
	template_sweep(job->runner);
	t = template_in_state(like, SB_FROZEN);
	rc = t ? restore(job, t, err) : boot(job, like, err);
	if (rc < 0) {
		free(job);
		return NULL;
	}
	LIST_INSERT_HEAD(&job->runner->template_jobs, job, link);
	return job;
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
		if (template_alike(job->machine, sb))
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

bool template_is_of_use(struct sandbox *t)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };
	struct err err = ERR_INIT;

	switch (t->state) {
	case SB_HELD:
		if (!t->vm)
			return false;
		break;
	case SB_FROZEN:
		break;
	case SB_FAILED:
		return false;
	default:
		return true;	/* something goes on with it */
	}
	return template_is_current(t) &&
	       image_find(t->runner, t->digest, &img, &err) == 0;
}

void template_sweep(struct runner *r)
{
	struct sandbox *t, *next;

	for (t = TAILQ_FIRST(&r->hidden); t; t = next) {
		next = TAILQ_NEXT(t, link);
		if (t->kind != SB_TEMPLATE || t->state == SB_REMOVING)
			continue;
		if (!template_is_of_use(t)) {
			log_info("template %s of %s: removed%s%s", t->id,
				 t->image, t->reason[0] ? ": " : "", t->reason);
			life_remove(t, false, removed, NULL);
		} else if (t->state == SB_HELD) {
			template_file_want(t);
		}
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
