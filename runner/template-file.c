/* SPDX-License-Identifier: MIT */
/*
 * runner/template-file.c - a template in files, which outlive its process
 *
 * podflared, loop thread; the last step on a work thread.
 *
 * Theory of operation: a VMM that writes its memory to files does nothing else
 * meanwhile, and sandboxes are to be made of the template at any time.  So one
 * more held copy is made of it, which is written to files and is gone again:
 *
 *	wait	until no sandbox is being made
 *	fork	a hidden copy, held
 *	save	state and memory, into the copy's folder, on stable storage
 *	store	the template gets them by hard links
 *
 * Whatever fails, or is cut short, leaves a template without files.  The VMM
 * that is given them later checks them.
 */
#include "runner/template-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/places.h"
#include "runner/saved.h"
#include "runner/saving.h"
#include "runner/store.h"
#include "runner/template-json.h"

#define WAIT_MS 1000	/* after it was made; and while others are */
#define SPARE (128 * MIB)	/* that stays free on the data disk */
#define NICE 10

struct template_save {
	LIST_ENTRY(template_save) link;
	struct sandbox *t;	/* a reference */
	struct sandbox *copy;	/* a reference, NULL: not begun */
	struct loop_timer begin;
	struct fork *fork;
	struct vmctl_call *call;
	uint64_t began;
	struct work_job job;
	int home;	/* the folder of all templates */
	char *text;	/* meta.json */
	struct err err;
};

bool template_file_whole(const struct sandbox *t)
{
	return faccessat(t->dirfd, SAVED_STATE, F_OK, 0) == 0 &&
	       faccessat(t->dirfd, SAVED_MEMORY, F_OK, 0) == 0;
}

static void copy_removed(void *arg, const struct err *err)
{
	if (err)
		log_warn("%s", err->msg);
}

static void finish(struct template_save *s)
{
	if (s->err.code && s->t->state == SB_HELD)
		log_warn("template %s of %s: not saved: %s", s->t->id,
			 s->t->image, s->err.msg);
	s->t->saving = false;
	LIST_REMOVE(s, link);
	if (s->copy) {
		life_remove(s->copy, false, copy_removed, NULL);
		sandbox_unref(s->copy);
	}
	sandbox_unref(s->t);
	free(s->text);
	free(s);
}

/* Work thread, in the lane of meta.json, and of the folder's removal. */
static void store_run(struct work_job *j)
{
	struct template_save *s = container_of(j, struct template_save, job);
	struct err ignored = ERR_INIT;

	/* meta.json first: with both files there, it is taken as whole */
	if (saved_drop(s->t->dirfd, &s->err) < 0 ||
	    store_write(s->t->dirfd, s->text, &s->err) < 0)
		return;
	if (saved_link(s->copy->dirfd, s->t->dirfd, &s->err) < 0)
		saved_drop(s->t->dirfd, &ignored);
	else if (fsync(s->t->dirfd) < 0 || fsync(s->home) < 0)
		log_warn("template %s: %m", s->t->id);
}

static void store_done(struct work_job *j)
{
	struct template_save *s = container_of(j, struct template_save, job);

	if (!s->err.code && s->t->state != SB_REMOVING) {
		s->t->filed = true;
		log_info("template %s of %s: saved in %.1f s, %llu MiB",
			 s->t->id, s->t->image,
			 (double)(now_ns() - s->began) / 1e9,
			 (unsigned long long)(saved_used(s->t->dirfd) / MIB));
	}
	finish(s);
}

static void saved(void *arg, const struct err *err, const struct vm_status *st,
		  int fd)
{
	struct template_save *s = arg;
	struct sandbox *t = s->t;
	struct chain c;

	s->call = NULL;
	if (err) {
		s->err = *err;
	} else if (t->state != SB_HELD) {
		err_set(&s->err, ERR_CANCELLED, "it is gone");
	} else if (chain_list(t->dirfd, &c, &s->err) == 0) {
		/* its own layer, the top one, is empty and was not flushed */
		if (c.n < 2)
			err_set(&s->err, ERR_IO, "its disk's files are gone");
		else
			t->top = c.nr[c.n - 2];
	}
	if (!s->err.code)
		s->text = store_text(t);
	if (!s->text) {
		finish(s);
		return;
	}
	s->home = t->runner->places.templates_fd;
	s->job.run = store_run;
	s->job.done = store_done;
	work_submit(&t->runner->work, WORK_META, &s->job);
}

static void forked(void *arg, const struct err *err)
{
	struct template_save *s = arg;
	struct runner *r = s->t->runner;

	s->err = err ? *err : s->fork->slots[0].err;
	s->fork = NULL;
	if (!s->err.code && !s->copy->vm)
		err_set(&s->err, ERR_UNAVAILABLE, "the copy has ended");
	if (!s->err.code) {
		places_check_space(&r->places,
				   template_resident(s->copy) + SPARE, &s->err);
		/* it may take its time: sandboxes come first */
		setpriority(PRIO_PROCESS, (id_t)vmproc_pid(s->copy->vm), NICE);
	}
	if (!s->err.code)
		s->call = saving_start(s->copy, saved, s, &s->err);
	if (!s->call)
		finish(s);
}

static int begin_copy(struct template_save *s, struct err *err)
{
	static const struct fork_ops ops = { .done = forked };
	struct sandbox *t = s->t, *copy;
	char id[SANDBOX_ID_LEN + 1];

	if (places_check_space(&t->runner->places, SPARE, err) < 0)
		return -1;
	names_id(id);
	copy = sandbox_new(t->runner, SB_VIEW, id, id, SB_CREATING, err);
	if (!copy)
		return -1;
	copy->env = json_object();
	copy->labels = json_object();
	copy->memory = t->memory;
	copy->disk = t->disk;
	copy->card = t->card;
	s->fork = fork_new(t, 1, &ops, s, err);
	if (!s->fork) {
		sandbox_unregister(copy);
		return -1;
	}
	s->copy = sandbox_ref(copy);
	fork_add(s->fork, copy, true);
	fork_start(s->fork);
	return 0;
}

static void begin(struct loop_timer *timer)
{
	struct template_save *s = container_of(timer, struct template_save,
					       begin);
	struct runner *r = s->t->runner;

	if (s->t->state != SB_HELD || !s->t->vm || r->ending) {
		finish(s);
		return;
	}
	if (r->nr_forks + r->nr_boots + r->nr_freezes) {
		loop_timer_set(&r->loop, timer, WAIT_MS);
		return;
	}
	s->began = now_ns();
	if (begin_copy(s, &s->err) < 0)
		finish(s);
}

void template_file_want(struct sandbox *t)
{
	struct template_save *s;

	if (t->filed || t->saving)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->t = sandbox_ref(t);
	s->begin.cb = begin;
	t->saving = true;
	LIST_INSERT_HEAD(&t->runner->template_saves, s, link);
	loop_timer_set(&t->runner->loop, &s->begin, WAIT_MS);
}

void template_file_let_go(struct runner *r)
{
	struct template_save *s;

	while ((s = LIST_FIRST(&r->template_saves))) {
		LIST_REMOVE(s, link);
		loop_timer_cancel(&r->loop, &s->begin);
		if (s->call)
			vmctl_cancel(s->call);
		if (s->copy && s->copy->vm)
			vmproc_free(s->copy->vm);
		if (s->copy) {
			s->copy->vm = NULL;
			sandbox_unregister(s->copy);
			sandbox_unref(s->copy);
		}
		sandbox_unref(s->t);
		free(s);
	}
}
