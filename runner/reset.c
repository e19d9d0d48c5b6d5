/* SPDX-License-Identifier: MIT */
/*
 * runner/reset.c - a sandbox becomes what a snapshot holds
 *
 * podflared, loop thread; files on work threads.  Distrusts VMM and guest as
 * creation.c does.
 *
 * Theory of operation:
 *
 *	copy	a stand-in is made of the snapshot, as a new sandbox would be: a
 *		machine that runs, in a folder of its own that has no meta.json
 *	keep	the safety snapshot of the sandbox, which runs on meanwhile
 *	switch	the stand-in takes the sandbox's place: merge.c
 *
 * Until the last step nothing has happened: whatever fails takes the stand-in
 * away, and the safety snapshot.  A runner that is killed leaves a folder without
 * meta.json, which the next one removes with what runs in it; or one that has
 * taken the place, which it completes.
 */
#include "runner/reset.h"

#include <stdio.h>

#include "common/log.h"
#include "runner/boot.h"
#include "runner/copies.h"
#include "runner/events.h"
#include "runner/idle.h"
#include "runner/life.h"
#include "runner/machine.h"
#include "runner/merge.h"
#include "runner/saved.h"
#include "runner/snapshot.h"
#include "runner/store.h"

struct reset {
	struct runner *runner;
	/* references */
	struct sandbox *sb, *snapshot, *standin, *safety;
	bool keep;	/* a safety snapshot is wanted */
	bool cancelled;
	struct snapshot_job *saving;
	struct work_job job;
	struct err err;
	json_t *console;
	const struct reset_ops *ops;
	void *arg;
};

static void dissolve(struct reset *rs)
{
	if (rs->safety)
		sandbox_unref(rs->safety);
	if (rs->standin)
		sandbox_unref(rs->standin);
	sandbox_unref(rs->snapshot);
	sandbox_unref(rs->sb);
	free(rs);
}

static void logged_away(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

static void standin_removed(void *arg, const struct err *err)
{
	struct reset *rs = arg;

	if (err)
		log_error("%s", err->msg);
	sandbox_drop_name(rs->sb, &rs->err);
	err_context(&rs->err, "sandbox %s: not reset", rs->sb->name);
	rs->ops->done(rs->arg, &rs->err, NULL, NULL, rs->console);
	dissolve(rs);
}

/* @console is taken over. */
static void fail(struct reset *rs, const struct err *err, json_t *console)
{
	rs->err = *err;
	rs->console = console;
	if (rs->safety)
		life_remove(rs->safety, false, logged_away, NULL);
	life_remove(rs->standin, false, standin_removed, rs);
}

/* What can be reset, and may be now. */
static int check(const struct sandbox *sb, struct err *err)
{
	if (sb->runner->ending)
		return err_set(err, ERR_STATE, "the runner is ending");
	if (sb->kind != SB_SANDBOX ||
	    (sb->state != SB_RUNNING && sb->state != SB_FROZEN &&
	     sb->state != SB_STOPPED && sb->state != SB_FAILED)) {
		sandbox_state_error(sb, err);
		return err_context(err, "cannot reset");
	}
	return sandbox_check_idle(sb, err);
}

/* Return: whether it is to go on; else it has failed. */
static bool may_go_on(struct reset *rs)
{
	struct err err = ERR_INIT;

	if (rs->cancelled)
		err_set(&err, ERR_CANCELLED, "the client went away");
	else if (!rs->standin->vm)
		err_set(&err, ERR_GUEST, "the copy of snapshot %s has ended",
			rs->snapshot->name);
	else
		check(rs->sb, &err);
	if (!err.code)
		return true;
	fail(rs, &err, NULL);
	return false;
}

/* ---- switch ---- */

static void switched(void *arg, const struct err *err, struct sandbox *winner)
{
	struct reset *rs = arg;

	if (err) {
		fail(rs, err, NULL);
		return;
	}
	idle_watch(rs->runner);
	rs->ops->done(rs->arg, NULL, winner, rs->safety, NULL);
	dissolve(rs);
}

static json_t *make_event(const struct reset *rs)
{
	json_t *e = event_new("reset", rs->sb);

	json_object_update_new(e, json_pack(
		"{s:s, s:s}", "snapshot", rs->snapshot->id, "snapshot_name",
		rs->snapshot->name));
	if (rs->safety)
		json_object_update_new(e, json_pack(
			"{s:s, s:s}", "safety", rs->safety->id, "safety_name",
			rs->safety->name));
	return e;
}

static void files_dropped(struct work_job *job)
{
	struct reset *rs = container_of(job, struct reset, job);

	if (rs->err.code) {
		struct err err = rs->err;

		fail(rs, &err, NULL);
		return;
	}
	if (!may_go_on(rs))
		return;
	sandbox_move(rs->standin, SB_EV_READY);
	merge_start(rs->sb, rs->standin, false, make_event(rs), switched, rs);
}

/* Work thread: it runs, and needs them no more. */
static void drop_files(struct work_job *job)
{
	struct reset *rs = container_of(job, struct reset, job);

	saved_drop(rs->standin->dirfd, &rs->err);
}

static void prepare_switch(struct reset *rs)
{
	rs->job.run = drop_files;
	rs->job.done = files_dropped;
	work_submit(&rs->runner->work, WORK_META, &rs->job);
}

/* ---- keep ---- */

static void kept(void *arg, const struct err *err,
		 const struct snapshot_made *made)
{
	struct reset *rs = arg;

	rs->saving = NULL;
	if (err) {
		fail(rs, err, NULL);
		return;
	}
	rs->safety = sandbox_ref(made->snapshot);
	if (may_go_on(rs))
		prepare_switch(rs);
}

static void keep(struct reset *rs)
{
	struct err err = ERR_INIT;

	if (!may_go_on(rs))
		return;
	if (!rs->keep) {
		prepare_switch(rs);
		return;
	}
	rs->ops->progress(rs->arg, "save", "keeping what it was");
	rs->saving = snapshot_make(rs->sb, NULL, "safety", kept, rs, &err);
	if (!rs->saving)
		fail(rs, &err, NULL);
}

/* ---- copy ---- */

static void progress(void *arg, const char *step, const char *text)
{
	struct reset *rs = arg;

	rs->ops->progress(rs->arg, step, text);
}

static void booted(void *arg, const struct err *err, json_t *console)
{
	struct reset *rs = arg;

	if (err) {
		fail(rs, err, console);
		return;
	}
	json_decref(console);
	keep(rs);
}

static json_t *replace(json_t *old, const json_t *by)
{
	json_decref(old);
	return json_deep_copy(by);
}

/* It has the name of what it is to replace, and nobody sees it. */
static struct sandbox *register_standin(const struct reset *rs,
					struct err *err)
{
	const struct sandbox *sb = rs->sb, *s = rs->snapshot;
	struct sandbox *in = copies_register(rs->snapshot, SB_SANDBOX, sb->name,
					     err);

	if (!in)
		return NULL;
	in->standin = true;
	in->env = replace(in->env, sb->env);
	in->labels = replace(in->labels, sb->labels);
	/* the card is the machine's, what it may reach the sandbox's */
	json_decref(in->net);
	in->net = json_incref(sb->net);
	in->idle_ms = sb->idle_ms;
	in->idle_rm = sb->idle_rm;
	in->top = s->top;
	memcpy(in->head, s->id, sizeof(in->head));
	in->origin.forked = false;
	snprintf(in->origin.how, sizeof(in->origin.how), "snapshot");
	snprintf(in->origin.time, sizeof(in->origin.time), "%s", s->created);
	return in;
}

static int boot(struct reset *rs, struct err *err)
{
	static const struct boot_ops ops = {
		.progress = progress, .done = booted,
	};
	const struct boot_plan plan = {
		.how = rs->snapshot->disk_only ? BOOT_COLD : BOOT_COPY,
		.from = rs->snapshot,
	};
	struct sandbox *in = register_standin(rs, err);

	if (!in)
		return -1;
	rs->standin = sandbox_ref(in);
	if (store_make(in, err) == 0 &&
	    boot_start(in, &plan, &life_vm_ops, in, &ops, rs, err) == 0)
		return 0;
	life_remove(in, false, logged_away, NULL);
	return -1;
}

struct reset *reset_start(struct sandbox *sb, struct sandbox *snapshot,
			  bool safety, const struct reset_ops *ops, void *arg,
			  struct err *err)
{
	struct reset *rs;

	if (check(sb, err) < 0 || machine_check_host(sb->runner, err) < 0)
		return NULL;
	rs = calloc(1, sizeof(*rs));
	if (!rs) {
		err_set(err, ERR_NO_MEMORY, "reset");
		return NULL;
	}
	rs->runner = sb->runner;
	rs->sb = sandbox_ref(sb);
	rs->snapshot = sandbox_ref(snapshot);
	rs->keep = safety;
	rs->ops = ops;
	rs->arg = arg;
	sb->active_ns = now_ns();
	if (boot(rs, err) == 0)
		return rs;
	dissolve(rs);
	return NULL;
}

void reset_cancel(struct reset *rs)
{
	struct err err = ERR_INIT;

	rs->cancelled = true;
	err_set(&err, ERR_CANCELLED, "the client went away");
	if (rs->standin->boot)
		boot_abort(rs->standin->boot, &err);
	else if (rs->saving)
		snapshot_cancel(rs->saving);
	/* else the next callback meets it, or it has happened */
}
