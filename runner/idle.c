/* SPDX-License-Identifier: MIT */
/*
 * runner/idle.c - sandboxes that nobody uses are frozen, or removed
 *
 * podflared, loop thread.
 *
 * Theory of operation: streams go past the runner, so that the VMM is asked now
 * and then whether any is open.  The time that counts is the one when a sandbox
 * was last seen to be in use; it is late by as much as the looks are apart, a
 * quarter of the timeout at most.
 */
#include "runner/idle.h"

#include "common/log.h"
#include "runner/freeze.h"
#include "runner/life.h"

#define LOOK_MIN_MS 250
#define LOOK_MAX_MS 15000

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

static void frozen(void *arg, const struct err *err)
{
	struct sandbox *sb = arg;

	/* it is tried again after the same time */
	sb->active_ns = now_ns();
	if (err)
		log_warn("idle: %s", err->msg);
	sandbox_unref(sb);
}

static bool is_idle(const struct sandbox *sb)
{
	struct err err = ERR_INIT;

	return sb->state == SB_RUNNING && TAILQ_EMPTY(&sb->waits) &&
	       sandbox_check_idle(sb, &err) == 0 &&
	       now_ns() - sb->active_ns >= sb->idle_ms * 1000000;
}

static void act(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	log_info("sandbox %s (%s): idle", sb->id, sb->name);
	if (sb->idle_rm) {
		life_remove(sb, false, removed, NULL);
		return;
	}
	sandbox_ref(sb);
	if (freeze_start(sb, true, frozen, sb, &err) < 0)
		frozen(sb, &err);
}

static void looked(void *arg, const struct err *err,
		   const struct vm_status *st, int fd)
{
	struct sandbox *sb = arg;

	if (!err && st->connections)
		sb->active_ns = now_ns();
	else if (!err && is_idle(sb) && !sb->runner->ending)
		act(sb);
	sandbox_unref(sb);
}

static void look(struct sandbox *sb)
{
	struct vmctl *ctl = sb->vm ? vmproc_ctl(sb->vm) : NULL;
	struct err err = ERR_INIT;

	if (sb->state != SB_RUNNING || sb->freeze || !ctl)
		return;
	sandbox_ref(sb);
	if (!vmctl_order(ctl, VM_STATUS, sb->runner->agent_timeout_ms, looked,
			 sb, &err))
		sandbox_unref(sb);
}

static void look_at_all(struct loop_timer *t)
{
	struct runner *r = container_of(t, struct runner, idle);
	struct sandbox *sb, *next;

	for (sb = TAILQ_FIRST(&r->sandboxes); sb; sb = next) {
		next = TAILQ_NEXT(sb, link);
		if (sb->idle_ms)
			look(sb);
	}
	idle_watch(r);
}

void idle_watch(struct runner *r)
{
	uint64_t wait = LOOK_MAX_MS;
	struct sandbox *sb;
	bool any = false;

	TAILQ_FOREACH(sb, &r->sandboxes, link) {
		if (!sb->idle_ms)
			continue;
		any = true;
		wait = MIN(wait, MAX(sb->idle_ms / 4, LOOK_MIN_MS));
	}
	r->idle.cb = look_at_all;
	if (!any)
		loop_timer_cancel(&r->loop, &r->idle);
	else if (!r->idle.deadline ||	/* a sooner look stays as it is */
		 r->idle.deadline > now_ns() + wait * 1000000)
		loop_timer_set(&r->loop, &r->idle, wait);
}
