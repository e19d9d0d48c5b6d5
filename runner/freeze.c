/* SPDX-License-Identifier: MIT */
/*
 * runner/freeze.c - a running sandbox's memory to disk, and its process away
 *
 * podflared, loop thread; the last step on a work thread.  Distrusts guest and
 * VMM to answer.
 *
 * Theory of operation:
 *
 *	hold	the guest's agent stops the user's processes: none of them runs
 *		in the thawed machine before it has entropy and the time
 *	pause	the virtual CPUs
 *	save	state and memory to files, the disk flushed
 *	store	meta.json says "frozen", on stable storage
 *	end	the process is killed: nobody needs it any more
 *
 * Whatever fails before the process is killed undoes what was done, and the
 * sandbox runs on.  A runner that is killed meanwhile leaves files beside a
 * meta.json that says "running": the next one lets the guest go on (recover.c).
 */
#include "runner/freeze.h"

#include <unistd.h>

#include "common/agent.h"
#include "common/log.h"
#include "runner/agent.h"
#include "runner/chain.h"
#include "runner/events.h"
#include "runner/life.h"
#include "runner/places.h"
#include "runner/saved.h"
#include "runner/saving.h"
#include "runner/store.h"

#define SPACE_MIN (64 * MIB)	/* free on the data disk to begin at all */

struct freeze {
	struct sandbox *sb;	/* a reference */
	bool idle;
	freeze_cb cb;
	void *arg;
	struct agent_op *hold;
	int held;		/* the stream that holds the user's processes */
	bool paused;
	struct work_job job;
	char *text;		/* meta.json */
	struct sandbox_gone gone;
	struct err err;		/* why it failed */
};

static void finish(struct freeze *f)
{
	struct sandbox *sb = f->sb;

	sb->freeze = NULL;
	sb->runner->nr_freezes--;
	f->cb(f->arg, f->err.code ? &f->err : NULL);
	life_settle(sb);
	sandbox_unref(sb);
	free(f->text);
	free(f);
}

/* Work thread. */
static void undo_run(struct work_job *j)
{
	struct freeze *f = container_of(j, struct freeze, job);
	struct err err = ERR_INIT;

	if (saved_drop(f->sb->dirfd, &err) < 0)
		log_warn("sandbox %s: %s", f->sb->id, err.msg);
}

static void undo_done(struct work_job *j)
{
	finish(container_of(j, struct freeze, job));
}

static void went_on(void *arg, const struct err *err,
		    const struct vm_status *st, int fd)
{
	struct freeze *f = arg;

	if (err)
		log_error("sandbox %s: does not go on: %s", f->sb->id,
			  err->msg);
	f->job.run = undo_run;
	f->job.done = undo_done;
	work_submit(&f->sb->runner->work, WORK_BULK, &f->job);
}

/* The sandbox goes on as it was. */
static void fail(struct freeze *f, const struct err *err)
{
	struct sandbox *sb = f->sb;
	struct vmctl *ctl = sb->vm ? vmproc_ctl(sb->vm) : NULL;
	struct err e = ERR_INIT;

	f->err = *err;
	err_context(&f->err, "sandbox %s: cannot be frozen", sb->name);
	if (f->held >= 0)
		close(f->held);
	f->held = -1;
	if (f->paused && ctl &&
	    vmctl_order(ctl, VM_RESUME, sb->runner->boot_timeout_ms, went_on,
			f, &e))
		return;
	went_on(f, e.code ? &e : NULL, NULL, -1);
}

/* The process is gone, or was removed together with the sandbox. */
static void gone(struct sandbox_gone *g)
{
	struct freeze *f = container_of(g, struct freeze, gone);

	finish(f);
}

/* Work thread. */
static void store_run(struct work_job *j)
{
	struct freeze *f = container_of(j, struct freeze, job);

	store_write(f->sb->dirfd, f->text, &f->err);
}

static void store_done(struct work_job *j)
{
	struct freeze *f = container_of(j, struct freeze, job);
	struct sandbox *sb = f->sb;
	struct err err = f->err;
	json_t *event;

	if (!err.code && sandbox_may(sb, SB_EV_FROZEN, &err) == 0) {
		close(f->held);
		sandbox_move(sb, SB_EV_FROZEN);
		event = event_new("freeze", sb);
		if (f->idle)
			json_object_set_new(event, "why", json_string("idle"));
		events_put_one(sb->runner, event);
		f->gone.cb = gone;
		TAILQ_INSERT_TAIL(&sb->gone_waits, &f->gone, link);
		vmproc_kill(sb->vm, NULL);
		return;
	}
	/* one that ended meanwhile has saved that after us */
	fail(f, &err);
}

static void saved(void *arg, const struct err *err, const struct vm_status *st,
		  int fd)
{
	struct freeze *f = arg;
	struct sandbox *sb = f->sb, as;
	struct err e = ERR_INIT;
	struct chain c;

	if (err) {
		fail(f, err);
		return;
	}
	if (chain_list(sb->dirfd, &c, &e) < 0 || !c.n) {
		if (!e.code)
			err_set(&e, ERR_IO, "its disk's files are gone");
		fail(f, &e);
		return;
	}
	sb->top = c.nr[c.n - 1];
	as = *sb;
	as.state = SB_FROZEN;
	f->text = store_text(&as);
	if (!f->text) {
		err_set(&e, ERR_NO_MEMORY, "meta.json");
		fail(f, &e);
		return;
	}
	f->job.run = store_run;
	f->job.done = store_done;
	work_submit(&sb->runner->work, WORK_META, &f->job);
}

static void paused(void *arg, const struct err *err, const struct vm_status *st,
		   int fd)
{
	struct freeze *f = arg;
	struct err e = ERR_INIT;

	/* it may have come to pass all the same */
	f->paused = true;
	if (err)
		fail(f, err);
	else if (!saving_start(f->sb, saved, f, &e))
		fail(f, &e);
}

static void held(void *arg, const struct err *err, const uint8_t *values,
		 size_t len, int fd)
{
	struct freeze *f = arg;
	struct sandbox *sb = f->sb;
	struct vmctl *ctl = sb->vm ? vmproc_ctl(sb->vm) : NULL;
	struct err e = ERR_INIT;

	f->hold = NULL;
	if (err) {
		fail(f, err);
		return;
	}
	f->held = fd;
	if (!ctl)
		err_set(&e, ERR_UNAVAILABLE, "its VMM has ended");
	else if (vmctl_order(ctl, VM_PAUSE, sb->runner->agent_timeout_ms,
			     paused, f, &e))
		return;
	fail(f, &e);
}

static int check(struct sandbox *sb, struct err *err)
{
	if (sb->runner->ending)
		return err_set(err, ERR_STATE, "the runner is ending");
	if (sb->state != SB_RUNNING) {
		sandbox_state_error(sb, err);
		if (sb->state == SB_STOPPED)
			err_hint(err, "it has no memory that could be kept; its "
				 "disk is kept as it is");
		return err_context(err, "cannot freeze");
	}
	if (sandbox_check_idle(sb, err) < 0)
		return -1;
	if (sb->kind != SB_SANDBOX || !sb->vm || !vmproc_ctl(sb->vm))
		return err_set(err, ERR_STATE, "sandbox %s: cannot be frozen",
			       sb->name);
	return places_check_space(&sb->runner->places, SPACE_MIN, err);
}

int freeze_start(struct sandbox *sb, bool idle, freeze_cb cb, void *arg,
		 struct err *err)
{
	struct runner *r = sb->runner;
	struct freeze *f;

	if (check(sb, err) < 0)
		return -1;
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(err, ERR_NO_MEMORY, "freeze");
	f->hold = agent_hold(&r->loop, vmproc_ctl(sb->vm), AGENT_FREEZE,
			     r->agent_timeout_ms, held, f, err);
	if (!f->hold) {
		free(f);
		return err_context(err, "sandbox %s", sb->name);
	}
	f->sb = sandbox_ref(sb);
	f->idle = idle;
	f->cb = cb;
	f->arg = arg;
	f->held = -1;
	sb->freeze = f;
	r->nr_freezes++;
	agent_go(f->hold);
	return 0;
}
