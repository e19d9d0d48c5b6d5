/* SPDX-License-Identifier: MIT */
/*
 * runner/snapshot.c - snapshots are made
 *
 * podflared, loop thread; files on work threads.  Distrusts VMM and guest as
 * fork.c does.
 *
 * Theory of operation: a running sandbox is forked into one copy that is held,
 * and goes on at once.  The copy's VMM writes it to files, while nobody waits,
 * and is ended; its fresh layer is dropped, the others stay.  Of a frozen sandbox
 * the files are there already, and are linked; so are the disk's layers of one
 * that is stopped or has failed, which has nothing else.  Last of all meta.json is
 * written: before that the folder is one of those that the next runner removes,
 * with what runs in it.
 */
#include "runner/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/chain.h"
#include "runner/copies.h"
#include "runner/events.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/limits.h"
#include "runner/places.h"
#include "runner/points.h"
#include "runner/saved.h"
#include "runner/saving.h"
#include "runner/store.h"

#define SPACE_MIN (64 * MIB)	/* free on the data disk to begin at all */

struct snapshot_job {
	struct runner *runner;
	struct sandbox *sb, *snapshot;	/* references */
	struct fork *fork;
	struct sandbox_gone gone;
	struct work_job job;
	bool linked;	/* of one that has no process */
	unsigned int own;	/* the copy's own layer */
	char *text;	/* meta.json */
	uint64_t pause_ns;
	bool cancelled;
	struct err err;
	snapshot_cb cb;
	void *arg;
};

static void finish(struct snapshot_job *j)
{
	const struct snapshot_made made = {
		.snapshot = j->snapshot, .pause_ns = j->pause_ns,
	};

	j->runner->nr_freezes--;
	j->cb(j->arg, j->err.code ? &j->err : NULL, &made);
	sandbox_unref(j->snapshot);
	sandbox_unref(j->sb);
	free(j->text);
	free(j);
}

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
	finish(arg);
}

static void fail(struct snapshot_job *j, const struct err *err)
{
	j->err = *err;
	err_context(&j->err, "snapshot %s of sandbox %s", j->snapshot->name,
		    j->sb->name);
	life_remove(j->snapshot, false, removed, j);
}

/* Return: whether it was given up; then it fails. */
static bool is_cancelled(struct snapshot_job *j)
{
	struct err err = ERR_INIT;

	if (!j->cancelled)
		return false;
	err_set(&err, ERR_CANCELLED, "the client went away");
	fail(j, &err);
	return true;
}

static void logged(void *arg, const struct err *err)
{
	struct snapshot_job *j = arg;

	if (err)	/* it is there all the same */
		log_error("%s", err->msg);
	finish(j);
}

static void stored(struct work_job *job)
{
	struct snapshot_job *j = container_of(job, struct snapshot_job, job);
	struct sandbox *s = j->snapshot;
	json_t *e;

	j->sb->linking -= j->linked;
	life_settle(j->sb);
	if (j->err.code) {
		struct err err = j->err;

		fail(j, &err);
		return;
	}
	if (is_cancelled(j))
		return;
	if (s->state != SB_FROZEN)
		sandbox_move(s, SB_EV_FROZEN);
	s->saving = false;
	points_pass_snapshot(j->sb, s);
	e = event_new("snapshot", j->sb);
	json_object_update_new(e, json_pack("{s:s, s:s}", "snapshot", s->id,
					    "snapshot_name", s->name));
	events_put(j->runner, json_pack("[o]", e), logged, j);
}

/* Work thread: all is in the folder; now it counts. */
static void store(struct snapshot_job *j)
{
	struct sandbox *s = j->snapshot;

	if (store_write(s->dirfd, j->text, &j->err) < 0)
		return;
	if (fsync(j->runner->places.snapshots_fd) < 0)
		err_sys(&j->err, errno, "folder of snapshots");
}

/* @top: its highest layer. Return: 0, or -1 with @err. */
static int make_text(struct snapshot_job *j, unsigned int top, struct err *err)
{
	struct sandbox as = *j->snapshot;

	j->snapshot->top = as.top = top;
	as.state = SB_FROZEN;
	j->text = store_text(&as);
	return j->text ? 0 : err_set(err, ERR_NO_MEMORY, "meta.json");
}

/* ---- of one that runs ---- */

/* Work thread. */
static void store_saved(struct work_job *job)
{
	struct snapshot_job *j = container_of(job, struct snapshot_job, job);
	struct sandbox *s = j->snapshot;

	/* nobody has written to the copy's own layer */
	if ((j->own == s->top || chain_drop(s->dirfd, j->own, &j->err) == 0) &&
	    vmproc_forget(s->dirfd, &j->err) == 0)
		store(j);
}

static void copy_ended(struct sandbox_gone *g)
{
	struct snapshot_job *j = container_of(g, struct snapshot_job, gone);

	if (is_cancelled(j))
		return;
	j->job.run = store_saved;
	j->job.done = stored;
	work_submit(&j->runner->work, WORK_META, &j->job);
}

static void saved(void *arg, const struct err *err, const struct vm_status *st,
		  int fd)
{
	struct snapshot_job *j = arg;
	struct sandbox *s = j->snapshot;
	struct err e = ERR_INIT;
	struct chain c;

	if (err) {
		fail(j, err);
		return;
	}
	if (is_cancelled(j))
		return;
	if (chain_list(s->dirfd, &c, &e) == 0 && c.n) {
		j->own = c.nr[c.n - 1];
		/* a disk that nobody has ever written to has no other */
		make_text(j, c.n > 1 ? c.nr[c.n - 2] : j->own, &e);
	} else if (!e.code) {
		err_set(&e, ERR_IO, "the disk's files are gone");
	}
	if (e.code) {
		fail(j, &e);
		return;
	}
	sandbox_move(s, SB_EV_FROZEN);
	j->gone.cb = copy_ended;
	TAILQ_INSERT_TAIL(&s->gone_waits, &j->gone, link);
	vmproc_kill(s->vm, NULL);
}

static void forked(void *arg, const struct err *err)
{
	struct snapshot_job *j = arg;
	struct err e = j->fork->slots[0].err;

	j->pause_ns = j->fork->pause_ns;
	j->fork = NULL;
	if (err)
		e = *err;
	if (!e.code && is_cancelled(j))
		return;
	if (!e.code && saving_start(j->snapshot, saved, j, &e))
		return;
	fail(j, &e);
}

/* ---- of one that is frozen ---- */

/* Work thread. */
static void link_frozen(struct work_job *job)
{
	struct snapshot_job *j = container_of(job, struct snapshot_job, job);
	int from = j->sb->dirfd, to = j->snapshot->dirfd;
	struct chain c;

	if (saved_link(from, to, &j->err) < 0 ||
	    chain_list(from, &c, &j->err) < 0)
		return;
	/* what a thaw that failed has left on top is none of it */
	while (c.n && c.nr[c.n - 1] > j->sb->top)
		c.n--;
	if (chain_link(from, to, &c, &j->err) == 0)
		store(j);
}

static int start_linking(struct snapshot_job *j, struct err *err)
{
	if (store_make(j->snapshot, err) < 0 ||
	    make_text(j, j->sb->top, err) < 0)
		return -1;
	j->linked = true;
	j->sb->linking++;
	j->job.run = link_frozen;
	j->job.done = stored;
	work_submit(&j->runner->work, WORK_META, &j->job);
	return 0;
}

/* ---- of one that has a disk and nothing else ---- */

/* Work thread: all that it has is sealed, with a fresh layer on it. */
static void link_disk(struct work_job *job)
{
	struct snapshot_job *j = container_of(job, struct snapshot_job, job);
	int from = j->sb->dirfd, to = j->snapshot->dirfd;
	uint64_t size = j->sb->disk;
	struct chain c;

	if (chain_settle(from, size, &c, &j->err) < 0 ||
	    chain_thaw(from, size, c.nr[c.n - 1], &c, &j->err) < 0)
		return;
	c.n--;
	j->own = c.nr[c.n - 1];
	chain_link(from, to, &c, &j->err);
}

/* Work thread. */
static void store_disk(struct work_job *job)
{
	store(container_of(job, struct snapshot_job, job));
}

static void disk_linked(struct work_job *job)
{
	struct snapshot_job *j = container_of(job, struct snapshot_job, job);

	if (j->err.code || make_text(j, j->own, &j->err) < 0) {
		stored(job);
		return;
	}
	j->job.run = store_disk;
	j->job.done = stored;
	work_submit(&j->runner->work, WORK_META, &j->job);
}

static int start_disk(struct snapshot_job *j, struct err *err)
{
	if (store_make(j->snapshot, err) < 0)
		return -1;
	j->snapshot->disk_only = true;
	j->linked = true;
	j->sb->linking++;
	j->job.run = link_disk;
	j->job.done = disk_linked;
	work_submit(&j->runner->work, WORK_META, &j->job);
	return 0;
}

/* ---- all of them ---- */

static bool has_disk_alone(const struct sandbox *sb)
{
	return (sb->state == SB_STOPPED || sb->state == SB_FAILED) && !sb->vm;
}

static int check(struct sandbox *sb, bool disk_too, struct err *err)
{
	struct limits_fork f = { .n = 1, .cpus = sb->cpus, .name = sb->name };

	if (sb->runner->ending)
		return err_set(err, ERR_STATE, "the runner is ending");
	if (sb->kind != SB_SANDBOX ||
	    (sb->state != SB_RUNNING && sb->state != SB_FROZEN &&
	     !(disk_too && has_disk_alone(sb)))) {
		sandbox_state_error(sb, err);
		if (sb->state == SB_STOPPED)
			err_hint(err, "it has no memory that could be kept; "
				 "podflare exec %s true starts it", sb->name);
		return err_context(err, "cannot make a snapshot");
	}
	if (!sandbox_is_forked(sb) && sandbox_check_idle(sb, err) < 0)
		return -1;
	if (has_disk_alone(sb) && sb->flat) {
		err_set(err, ERR_BUSY, "sandbox %s: its disk's files are in "
			"use", sb->name);
		return err_hint(err, "try again in a moment");
	}
	if (sb->state == SB_RUNNING) {
		f.vmm = vmproc_pid(sb->vm);
		if (limits_check_fork(&f, err) < 0)
			return -1;
	}
	return places_check_space(&sb->runner->places, SPACE_MIN, err);
}

static int start(struct snapshot_job *j, struct err *err)
{
	static const struct fork_ops ops = { .done = forked };

	if (j->sb->state == SB_FROZEN)
		return start_linking(j, err);
	if (has_disk_alone(j->sb))
		return start_disk(j, err);
	j->fork = fork_new(j->sb, 1, &ops, j, err);
	if (!j->fork)
		return -1;
	fork_add(j->fork, j->snapshot, true);
	fork_start(j->fork);
	return 0;
}

static struct sandbox *register_one(struct sandbox *sb, const char *name,
				    const char *how, struct err *err)
{
	struct sandbox *s = copies_register(sb, SB_SNAPSHOT, name, err);

	if (!s)
		return NULL;
	s->saving = true;
	s->origin.forked = false;
	snprintf(s->origin.how, sizeof(s->origin.how), "%s", how);
	memcpy(s->head, sb->head, sizeof(s->head));
	return s;
}

static void ignore(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

struct snapshot_job *snapshot_make(struct sandbox *sb, const char *name,
				   const char *how, snapshot_cb cb, void *arg,
				   struct err *err)
{
	char chosen[PODFLARE_NAME_MAX + 1], base[PODFLARE_NAME_MAX + 8];
	bool safety = strcmp(how, "safety") == 0;
	struct snapshot_job *j;
	struct sandbox *s;

	snprintf(base, sizeof(base), "%s%s", sb->name, safety ? "-safety" : "");
	if (check(sb, safety, err) < 0 ||
	    snapshot_choose_name(sb->runner, name, base, chosen,
				 sizeof(chosen), err) < 0)
		return NULL;
	j = calloc(1, sizeof(*j));
	if (!j) {
		err_set(err, ERR_NO_MEMORY, "snapshot");
		return NULL;
	}
	s = register_one(sb, chosen, how, err);
	if (!s) {
		free(j);
		return NULL;
	}
	j->runner = sb->runner;
	j->sb = sandbox_ref(sb);
	j->snapshot = sandbox_ref(s);
	j->cb = cb;
	j->arg = arg;
	j->runner->nr_freezes++;
	if (start(j, err) == 0)
		return j;
	j->runner->nr_freezes--;
	life_remove(s, false, ignore, NULL);
	sandbox_unref(s);
	sandbox_unref(sb);
	free(j->text);
	free(j);
	return NULL;
}

void snapshot_cancel(struct snapshot_job *j)
{
	struct err err = ERR_INIT;

	j->cancelled = true;
	err_set(&err, ERR_CANCELLED, "the client went away");
	if (j->fork)
		fork_cancel(j->fork, &err);
	/* else the next callback meets it */
}
