/* SPDX-License-Identifier: MIT */
/*
 * runner/removal.c - sandboxes that go: removed, or stopped with their runner
 *
 * podflared, loop thread.  Distrusts guest and VMM to answer: each stage has a
 * deadline and a harder one after it.
 *
 * Theory of operation: the folder is renamed while the process is killed, so
 * that a runner that is killed meanwhile leaves a removal for the next one to
 * complete, and no sandbox that seems to have died.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/log.h"
#include "runner/agent.h"
#include "runner/events.h"
#include "runner/flatten.h"
#include "runner/fork-slot.h"
#include "runner/life.h"
#include "runner/points.h"
#include "runner/store.h"

#define KILL_MS 10000	/* from SIGKILL to the process's end */
#define QUIT_MS 10000	/* for the VMM to flush its disks */

struct removal_wait {
	LIST_ENTRY(removal_wait) link;
	life_cb cb;
	void *arg;
};

struct removal {
	struct sandbox *sb;
	struct sandbox_gone gone;
	struct loop_timer deadline;
	bool retired;	/* the folder: nobody takes it up any more */
	bool gone_or_forced;	/* the process need not be waited for */
	LIST_HEAD(, removal_wait) waits;
};

static void tell(struct removal *rm, const struct err *err)
{
	struct removal_wait *w;

	while ((w = LIST_FIRST(&rm->waits))) {
		LIST_REMOVE(w, link);
		w->cb(w->arg, err);
		free(w);
	}
}

static void files_removed(void *arg, const struct err *err)
{
	struct removal *rm = arg;
	struct sandbox *sb = rm->sb;

	if (err)
		log_error("sandbox %s: not removed whole: %s", sb->id,
			  err->msg);
	if (sb->vm)	/* forced: the process is somebody else's now */
		vmproc_free(sb->vm);
	sb->vm = NULL;
	sb->removal = NULL;
	tell(rm, err);
	sandbox_unregister(sb);
	if (sb->kind == SB_SANDBOX || sb->kind == SB_SNAPSHOT)
		points_sweep(sb->runner);
	sandbox_unref(sb);
	free(rm);
}

/* Once the folder is retired and the process is gone, and nobody makes files. */
static void proceed(struct removal *rm)
{
	struct sandbox *sb = rm->sb;
	char socket[64];

	if (!rm->retired || !rm->gone_or_forced || sb->flat)
		return;
	loop_timer_cancel(&sb->runner->loop, &rm->deadline);
	snprintf(socket, sizeof(socket), "%s.sock", sb->id);
	unlinkat(sb->runner->places.vm_fd, socket, 0);
	store_unmark(sb->runner, sb->id);
	store_destroy(sb, files_removed, rm);
}

void life_remove_go_on(struct sandbox *sb)
{
	if (sb->removal)
		proceed(sb->removal);
}

static void folder_retired(void *arg, const struct err *err)
{
	struct removal *rm = arg;

	if (err)
		log_error("sandbox %s: %s", rm->sb->id, err->msg);
	rm->retired = true;
	/* Not before: a runner that is killed in between would leave a sandbox
	 * whose process has died. Its disk goes too: nothing to flush. */
	if (rm->sb->vm && !rm->gone_or_forced)
		vmproc_kill(rm->sb->vm, NULL);
	proceed(rm);
}

static void process_gone(struct sandbox_gone *g)
{
	struct removal *rm = container_of(g, struct removal, gone);

	rm->gone_or_forced = true;
	proceed(rm);
}

/* It stays listed as a removal in progress: the kernel may let go of it yet. */
static void deadline_cb(struct loop_timer *t)
{
	struct removal *rm = container_of(t, struct removal, deadline);
	struct err err = ERR_INIT;

	err_set(&err, ERR_TIMEOUT, "sandbox %s: its process %d does not end",
		rm->sb->name, rm->sb->vm ? (int)vmproc_pid(rm->sb->vm) : 0);
	err_hint(&err, "the kernel holds it; podflare rm --force %s removes "
		 "its files all the same", rm->sb->id);
	tell(rm, &err);
}

static void begin(struct sandbox *sb, struct removal *rm)
{
	struct err err = ERR_INIT;

	if (sb->kind == SB_SNAPSHOT)
		points_forget_snapshot(sb);
	rm->sb = sandbox_ref(sb);
	rm->gone.cb = process_gone;
	rm->deadline.cb = deadline_cb;
	sb->removal = rm;
	sb->reason[0] = '\0';
	sandbox_move(sb, SB_EV_REMOVE);
	if (sb->logged)
		events_put_one(sb->runner, event_new("rm", sb));
	err_set(&err, ERR_CANCELLED, "sandbox %s: was removed", sb->name);
	life_wake(sb, &err, NULL);
	if (sb->boot)
		boot_abort(sb->boot, &err);
	flatten_stop(sb);
	rm->gone_or_forced = !sb->vm;
	if (sb->vm) {
		TAILQ_INSERT_TAIL(&sb->gone_waits, &rm->gone, link);
		loop_timer_set(&sb->runner->loop, &rm->deadline, KILL_MS);
	}
	store_retire(sb, folder_retired, rm);
}

void life_remove(struct sandbox *sb, bool force, life_cb cb, void *arg)
{
	struct removal_wait *w = calloc(1, sizeof(*w));
	struct removal *rm = sb->removal;
	struct err err = ERR_INIT;

	if (!rm && sb->state == SB_REMOVING) {
		free(w);
		cb(arg, NULL);	/* it is gone already */
		return;
	}
	if (sb->slot) {
		free(w);
		fork_slot_remove(sb->slot, cb, arg);
		return;
	}
	if (!rm)
		rm = calloc(1, sizeof(*rm));
	if (!w || !rm) {
		free(w);
		err_set(&err, ERR_NO_MEMORY, "sandbox %s", sb->id);
		cb(arg, &err);
		return;
	}
	w->cb = cb;
	w->arg = arg;
	LIST_INSERT_HEAD(&rm->waits, w, link);
	if (!sb->removal)
		begin(sb, rm);
	if (force && sb->vm && !rm->deadline.deadline &&
	    !rm->gone_or_forced) {
		/* its time was up before */
		TAILQ_REMOVE(&sb->gone_waits, &rm->gone, link);
		rm->gone_or_forced = true;
		proceed(rm);
	}
}

/* Stopping: the guest, then its VMM, then the kernel are asked. */
struct stop {
	struct sandbox *sb;
	struct sandbox_gone gone;
	struct loop_timer deadline;
	struct agent_op *poweroff;
	bool quit;
	life_cb cb;
	void *arg;
};

static void stop_gone(struct sandbox_gone *g)
{
	struct stop *s = container_of(g, struct stop, gone);

	loop_timer_cancel(&s->sb->runner->loop, &s->deadline);
	if (s->poweroff)
		agent_cancel(s->poweroff);
	s->cb(s->arg, NULL);
	sandbox_unref(s->sb);
	free(s);
}

static void stop_harder(struct loop_timer *t)
{
	struct stop *s = container_of(t, struct stop, deadline);
	struct vmctl *ctl = vmproc_ctl(s->sb->vm);
	struct err err = ERR_INIT;

	if (!s->quit && ctl &&
	    vmctl_order(ctl, VM_QUIT, QUIT_MS, NULL, NULL, &err)) {
		if (s->sb->state != SB_HELD)
			log_warn("sandbox %s: did not power off in time",
				 s->sb->id);
		s->quit = true;
		loop_timer_set(&s->sb->runner->loop, t, QUIT_MS);
		return;
	}
	vmproc_kill(s->sb->vm, "it did not stop in time");
}

static void poweroff_done(void *arg, const struct err *err,
			  const uint8_t *values, size_t len)
{
	struct stop *s = arg;

	s->poweroff = NULL;
	if (err)
		log_warn("sandbox %s: power off: %s", s->sb->id, err->msg);
	if (err)
		stop_harder(&s->deadline);
}

void life_stop(struct sandbox *sb, life_cb cb, void *arg)
{
	struct runner *r = sb->runner;
	CLEANUP_BUF struct buf none = BUF_INIT;
	struct err err = ERR_INIT;
	struct stop *s;

	if (!sb->vm || !vmproc_ctl(sb->vm)) {
		cb(arg, NULL);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		vmproc_terminate(sb->vm);
		cb(arg, NULL);
		return;
	}
	s->sb = sandbox_ref(sb);
	s->gone.cb = stop_gone;
	s->deadline.cb = stop_harder;
	s->cb = cb;
	s->arg = arg;
	TAILQ_INSERT_TAIL(&sb->gone_waits, &s->gone, link);
	if (sb->state == SB_PAUSED)
		vmctl_order(vmproc_ctl(sb->vm), VM_RESUME, QUIT_MS, NULL, NULL,
			    &err);
	if (sb->state != SB_HELD)	/* no guest runs there */
		s->poweroff = agent_call(&r->loop, vmproc_ctl(sb->vm),
					 AGENT_POWEROFF, &none,
					 r->agent_timeout_ms, poweroff_done, s,
					 &err);
	/* answering and powering off each have their time */
	loop_timer_set(&r->loop, &s->deadline,
		       s->poweroff ? 2 * r->agent_timeout_ms : 0);
}
