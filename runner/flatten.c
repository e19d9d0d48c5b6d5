/* SPDX-License-Identifier: MIT */
/*
 * runner/flatten.c - the chain of a guest that runs, made shorter
 *
 * podflared, loop thread; files on work threads.  Distrusts the VMM to answer,
 * and what it says of its files (chain-live.c).
 *
 * Theory of operation:
 *
 *	sync	what the host has not written yet is written
 *	ask	the VMM flushes, which seals what forks have frozen, and tells
 *		which files it has
 *	merge	a new file, of what some of them hold together; forks go on
 *	wait	until no fork uses the folder
 *	swap	the VMM takes it in their place
 *	store	so does the folder, by a rename; the others' names are removed
 *
 * At every instant the folder's chain reads as the VMM's does, as both have
 * either the old layers or the one that holds the same.  A runner that is killed
 * leaves a file that the next one removes, at worst; a VMM that is killed leaves
 * the folder as it is.  Whatever has links to the old layers keeps them.
 */
#include "runner/flatten.h"

#include <unistd.h>

#include "common/log.h"
#include "runner/chain-live.h"
#include "runner/vmctl-layers.h"

enum step { SYNC, ASK, MERGE, WAIT, SWAP, STORE, UNDO };

struct flatten {
	struct sandbox *sb;	/* a reference */
	enum step step;
	struct work_job job;
	struct chain_live live;
	uint64_t began;
	flatten_cb cb;
	struct err err;
};

static void finish(struct flatten *f)
{
	struct sandbox *sb = f->sb;

	if (f->live.fd >= 0)
		close(f->live.fd);
	sb->flat = NULL;
	if (f->err.code && f->err.code != ERR_CANCELLED)
		log_warn("sandbox %s: its disk keeps its layers: %s", sb->id,
			 f->err.msg);
	f->cb(sb, f->err.code ? &f->err : NULL);
	sandbox_unref(sb);
	free(f);
}

static void submit(struct flatten *f, enum step step, enum work_lane lane,
		   void (*run)(struct work_job *j),
		   void (*done)(struct work_job *j))
{
	struct work *w = &f->sb->runner->work;

	f->step = step;
	f->job.run = run;
	f->job.done = done;
	if (!w->stop) {
		work_submit(w, lane, &f->job);
		return;
	}
	/* the runner ends: there are no threads any more */
	run(&f->job);
	done(&f->job);
}

/* ---- undo ---- */

static void undo_run(struct work_job *j)
{
	struct flatten *f = container_of(j, struct flatten, job);

	chain_live_drop(f->sb->dirfd, &f->live);
}

static void undo_done(struct work_job *j)
{
	finish(container_of(j, struct flatten, job));
}

static void give_up(struct flatten *f, const struct err *err)
{
	f->err = *err;
	if (f->live.fd < 0)
		finish(f);
	else
		submit(f, UNDO, WORK_BULK, undo_run, undo_done);
}

/* Return: the control socket, NULL when it is given up. */
static struct vmctl *go_on(struct flatten *f)
{
	struct sandbox *sb = f->sb;
	struct vmctl *ctl = sb->vm ? vmproc_ctl(sb->vm) : NULL;
	struct err err = ERR_INIT;

	if (ctl && !atomic_load(&f->live.stop))
		return ctl;
	err_set(&err, ERR_CANCELLED, "it is not wanted any more");
	give_up(f, &err);
	return NULL;
}

/* ---- store ---- */

static void store_run(struct work_job *j)
{
	struct flatten *f = container_of(j, struct flatten, job);

	chain_live_store(f->sb->dirfd, &f->live, &f->err);
}

static void store_done(struct work_job *j)
{
	struct flatten *f = container_of(j, struct flatten, job);

	if (!f->err.code)
		log_info("sandbox %s: one disk layer made of %u in %.1f s",
			 f->sb->id, f->live.n,
			 (double)(now_ns() - f->began) / 1e9);
	finish(f);
}

static void swapped(void *arg, const struct err *err, const struct vm_layers *l)
{
	struct flatten *f = arg;

	if (err)
		give_up(f, err);
	else
		submit(f, STORE, WORK_FORK, store_run, store_done);
}

static void swap(struct flatten *f)
{
	const struct vm_exchange x = {
		.first = f->live.first, .count = f->live.count,
		.old = f->live.have.file + f->live.first, .fd = f->live.fd,
	};
	struct vmctl *ctl = go_on(f);
	struct err err = ERR_INIT;

	if (!ctl)
		return;
	f->step = SWAP;
	if (!vmctl_layers(ctl, &x, f->sb->runner->agent_timeout_ms, swapped, f,
			  &err))
		give_up(f, &err);
}

/* ---- merge ---- */

static void merge_run(struct work_job *j)
{
	struct flatten *f = container_of(j, struct flatten, job);

	chain_live_merge(f->sb->dirfd, &f->live, &f->err);
}

static void merge_done(struct work_job *j)
{
	struct flatten *f = container_of(j, struct flatten, job);
	struct err err = f->err;

	if (err.code) {
		give_up(f, &err);
		return;
	}
	f->step = WAIT;
	if (!f->sb->fork)
		swap(f);
}

static void told(void *arg, const struct err *err, const struct vm_layers *l)
{
	struct flatten *f = arg;

	if (err) {
		give_up(f, err);
		return;
	}
	f->live.have = *l;
	if (go_on(f))
		submit(f, MERGE, WORK_FLAT, merge_run, merge_done);
}

static void synced(void *arg, const struct err *err, const struct vm_status *st,
		   int fd)
{
	struct flatten *f = arg;
	struct vmctl *ctl;
	struct err e = ERR_INIT;

	if (err) {
		give_up(f, err);
		return;
	}
	ctl = go_on(f);
	if (ctl && !vmctl_layers(ctl, NULL, f->sb->runner->agent_timeout_ms,
				 told, f, &e))
		give_up(f, &e);
}

/* ---- sync ---- */

static void sync_run(struct work_job *j)
{
	struct flatten *f = container_of(j, struct flatten, job);

	chain_live_sync(f->sb->dirfd);
}

static void sync_done(struct work_job *j)
{
	struct flatten *f = container_of(j, struct flatten, job);
	struct vmctl *ctl = go_on(f);
	struct err err = ERR_INIT;

	if (!ctl)
		return;
	f->step = ASK;
	if (!vmctl_order(ctl, VM_SYNC, f->sb->runner->boot_timeout_ms, synced,
			 f, &err))
		give_up(f, &err);
}

int flatten_start(struct sandbox *sb, flatten_cb cb, struct err *err)
{
	struct flatten *f;

	if (sb->flat)
		return err_set(err, ERR_BUSY, "its disk's layers are being "
			       "made one");
	if (sb->kind != SB_SANDBOX || sb->state != SB_RUNNING || !sb->vm ||
	    sb->runner->ending)
		return err_set(err, ERR_STATE, "it does not run");
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(err, ERR_NO_MEMORY, "disk layers");
	f->live.fd = -1;
	f->began = now_ns();
	f->cb = cb;
	f->sb = sandbox_ref(sb);
	sb->flat = f;
	submit(f, SYNC, WORK_FLAT, sync_run, sync_done);
	return 0;
}

bool flatten_holds(const struct sandbox *sb)
{
	return sb->flat && (sb->flat->step == SWAP || sb->flat->step == STORE);
}

bool flatten_turn(struct sandbox *sb)
{
	if (!sb->flat || sb->flat->step != WAIT)
		return false;
	swap(sb->flat);
	return flatten_holds(sb);
}

void flatten_stop(struct sandbox *sb)
{
	struct flatten *f = sb->flat;

	if (!f)
		return;
	atomic_store(&f->live.stop, true);
	if (f->step == WAIT)
		go_on(f);
}
