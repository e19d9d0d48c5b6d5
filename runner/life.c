/* SPDX-License-Identifier: MIT */
/*
 * runner/life.c - a sandbox's VM comes and goes; whoever needs it waits
 *
 * podflared, loop thread.
 */
#include "runner/life.h"

#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/events.h"
#include "runner/flatten.h"
#include "runner/fork-slot.h"
#include "runner/netproc.h"
#include "runner/store.h"
#include "runner/text.h"

static void vm_agent_up(void *arg, const struct vm_status *st)
{
	struct sandbox *sb = arg;

	if (sb->boot)
		boot_agent_up(sb->boot);
}

static void vm_disk_full(void *arg)
{
	struct sandbox *sb = arg;

	log_warn("sandbox %s: the host's disk is full", sb->id);
	if (sb->state == SB_RUNNING || sb->state == SB_PAUSED)
		snprintf(sb->reason, sizeof(sb->reason),
			 "the host's disk is full: the guest got a write error");
}

static void vm_net_wanted(void *arg)
{
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;

	/* what is only looked at, or copied, has none */
	if (sb->kind == SB_SANDBOX && netproc_start(sb, &err) < 0)
		log_warn("sandbox %s: network: %s", sb->id, err.msg);
}

/* Whether the console's end tells of a kernel panic rather than a reboot. */
static bool console_panicked(const struct sandbox *sb)
{
	json_t *tail = text_tail_file(sb->dirfd, SANDBOX_CONSOLE, 100, 65536,
				      TEXT_CLEAN);
	const char *s = json_string_value(tail);
	bool panicked = s && strstr(s, "Kernel panic");

	json_decref(tail);
	return panicked;
}

/* Texts of the VMM may hold what a guest put there. */
static void set_reason(struct sandbox *sb, const char *what,
		       const char *detail)
{
	char text[sizeof(sb->reason) + sizeof(((struct vm_end *)0)->detail)];

	snprintf(text, sizeof(text), "%s%s%s", what,
		 *detail && *what ? ": " : "", detail);
	text_clean_copy(sb->reason, sizeof(sb->reason), text);
}

void life_ended(struct sandbox *sb, const struct vm_end *end)
{
	enum sandbox_event ev = SB_EV_DIED;

	switch (end->reason) {
	case VM_END_POWEROFF:
		ev = SB_EV_ENDED;
		set_reason(sb, "the guest powered off", "");
		break;
	case VM_END_QUIT:
		ev = SB_EV_ENDED;
		set_reason(sb, "it was stopped", "");
		break;
	case VM_END_RESET:
		if (console_panicked(sb)) {
			set_reason(sb, "the guest's kernel panicked",
				   end->detail);
			break;
		}
		ev = SB_EV_ENDED;
		set_reason(sb, "the guest rebooted", end->detail);
		break;
	case VM_END_HOST:
		/* its disk is what a computer's is after a power cut */
		ev = SB_EV_ENDED;
		set_reason(sb, "the host was restarted", "");
		break;
	case VM_END_KILLED:
		if (sb->runner->ending && sandbox_is_held(sb)) {
			/* it has no record of its end */
			set_reason(sb, "the host was shut down", "");
			break;
		}
		set_reason(sb, "the VMM was killed", end->detail);
		break;
	case VM_END_FAULT:
		set_reason(sb, "", end->detail);
		break;
	}
	if (sb->kind == SB_TEMPLATE && sb->filed) {
		/* on disk it stays as it is: process or not is seen anew */
		sandbox_move(sb, SB_EV_FROZEN);
		return;
	}
	sandbox_move(sb, ev);
	store_save(sb, NULL, NULL);
}

static void vm_gone(void *arg, const struct vm_end *end)
{
	struct sandbox *sb = sandbox_ref(arg);
	struct sandbox_gone *g;

	sb->vm = NULL;
	flatten_stop(sb);
	if (sb->boot)
		boot_vm_gone(sb->boot, end);
	else if (sb->slot)
		fork_slot_vm_gone(sb->slot, end);
	else if (sb->state == SB_RUNNING || sb->state == SB_PAUSED ||
		 sb->state == SB_HELD)
		life_ended(sb, end);
	while ((g = TAILQ_FIRST(&sb->gone_waits))) {
		TAILQ_REMOVE(&sb->gone_waits, g, link);
		g->cb(g);
	}
	sandbox_unref(sb);
}

const struct vmproc_ops life_vm_ops = {
	.agent_up = vm_agent_up,
	.disk_full = vm_disk_full,
	.net_wanted = vm_net_wanted,
	.gone = vm_gone,
};

void life_wake(struct sandbox *sb, const struct err *err, json_t *console)
{
	struct sandbox_wait *w;

	sandbox_ref(sb);
	while ((w = TAILQ_FIRST(&sb->waits))) {
		TAILQ_REMOVE(&sb->waits, w, link);
		w->cb(w, err, console);
	}
	sandbox_unref(sb);
}

/* A stopped or frozen sandbox's way back, from the first who needs it. */
struct restart {
	struct sandbox *sb;
	struct sandbox_gone gone;
	struct err err;
	json_t *console;
};

static void restart_failed(struct restart *rs)
{
	struct sandbox *sb = rs->sb;

	if (sb->state == SB_STARTING || sb->state == SB_THAWING) {
		text_clean_copy(sb->reason, sizeof(sb->reason), rs->err.msg);
		sandbox_move(sb, SB_EV_ENDED);
		store_save(sb, NULL, NULL);
		life_wake(sb, &rs->err, rs->console);
	}
	json_decref(rs->console);
	sandbox_unref(sb);
	free(rs);
}

static void restart_gone(struct sandbox_gone *g)
{
	restart_failed(container_of(g, struct restart, gone));
}

/* @console is taken over. */
static void restart_fail(struct restart *rs, const struct err *err,
			 json_t *console)
{
	struct sandbox *sb = rs->sb;

	rs->err = *err;
	rs->console = console;
	if (console)
		err_hint(&rs->err, "podflare logs %s shows all of its console",
			 sb->name);
	if (!sb->vm) {
		restart_failed(rs);
		return;
	}
	rs->gone.cb = restart_gone;
	TAILQ_INSERT_TAIL(&sb->gone_waits, &rs->gone, link);
	vmproc_kill(sb->vm, NULL);
}

static void restart_saved(void *arg, const struct err *err)
{
	struct restart *rs = arg;
	struct sandbox *sb = rs->sb;
	struct err gone = ERR_INIT;

	if (sb->state == SB_RUNNING && err) {
		/* a killed runner would take it for a stopped one */
		log_error("sandbox %s: %s", sb->id, err->msg);
	}
	if (sb->state == SB_RUNNING)
		life_wake(sb, NULL, NULL);
	else if (sandbox_state_error(sb, &gone) < 0)
		life_wake(sb, &gone, NULL);
	sandbox_unref(sb);
	free(rs);
}

/* It runs, and will not be thawed from the same files again. */
static void awake_saved(void *arg, const struct err *err)
{
	const struct vm_end killed = { .reason = VM_END_KILLED };
	struct restart *rs = arg;
	struct sandbox *sb = rs->sb;

	if (sb->state == SB_THAWING && err) {
		restart_fail(rs, err, NULL);
		return;
	}
	if (sb->state == SB_THAWING) {
		sandbox_move(sb, SB_EV_READY);
		events_put_one(sb->runner, event_new("thaw", sb));
		if (!sb->vm)	/* and has ended already */
			life_ended(sb, &killed);
	}
	restart_saved(rs, NULL);
}

static void restart_done(void *arg, const struct err *err, json_t *console)
{
	struct restart *rs = arg;

	if (err) {
		restart_fail(rs, err, console);
		return;
	}
	json_decref(console);
	if (rs->sb->state == SB_THAWING) {
		store_awake(rs->sb, awake_saved, rs);
		return;
	}
	sandbox_move(rs->sb, SB_EV_READY);
	store_save(rs->sb, restart_saved, rs);
}

static int restart(struct sandbox *sb, struct err *err)
{
	static const struct boot_ops ops = { .done = restart_done };
	const struct boot_plan plan = {
		.how = sb->state == SB_FROZEN ? BOOT_THAW : BOOT_COLD,
	};
	struct restart *rs;

	if (sb->runner->ending)
		return err_set(err, ERR_STATE, "the runner is ending");
	rs = calloc(1, sizeof(*rs));
	if (!rs)
		return err_set(err, ERR_NO_MEMORY, "restart");
	rs->sb = sb;
	if (boot_start(sb, &plan, &life_vm_ops, sb, &ops, rs, err) < 0) {
		free(rs);
		return -1;
	}
	snprintf(sb->origin.started, sizeof(sb->origin.started), "%s",
		 plan.how == BOOT_THAW ? "thaw" : "boot");
	sandbox_ref(sb);
	sandbox_move(sb, SB_EV_START);
	return 0;
}

void life_use(struct sandbox *sb, struct sandbox_wait *w)
{
	struct err err = ERR_INIT;

	sb->active_ns = now_ns();
	sb->runner->busy_ns = now_ns();
	switch (sb->state) {
	case SB_RUNNING:
		if (sb->freeze)
			TAILQ_INSERT_TAIL(&sb->waits, w, link);
		else
			w->cb(w, NULL, NULL);
		return;
	case SB_FROZEN:
		if (sb->freeze || sb->linking) {
			TAILQ_INSERT_TAIL(&sb->waits, w, link);
			return;
		}
		/* fall through */
	case SB_STOPPED:
		if (sb->flat) {
			TAILQ_INSERT_TAIL(&sb->waits, w, link);
			return;
		}
		if (sandbox_check_idle(sb, &err) < 0 || restart(sb, &err) < 0)
			break;
		TAILQ_INSERT_TAIL(&sb->waits, w, link);
		return;
	case SB_CREATING:
	case SB_STARTING:
	case SB_THAWING:
		TAILQ_INSERT_TAIL(&sb->waits, w, link);
		return;
	case SB_PAUSED:
	case SB_HELD:
	case SB_FAILED:
	case SB_REMOVING:
	case SB_STATES:
		sandbox_state_error(sb, &err);
		break;
	}
	w->cb(w, &err, NULL);
}

void life_use_cancel(struct sandbox *sb, struct sandbox_wait *w)
{
	TAILQ_REMOVE(&sb->waits, w, link);
}

void life_settle(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	if (TAILQ_EMPTY(&sb->waits) || sb->freeze || sb->linking || sb->flat)
		return;
	if (sb->state == SB_RUNNING)
		life_wake(sb, NULL, NULL);
	else if (sb->state != SB_FROZEN && sb->state != SB_STOPPED)
		sandbox_state_error(sb, &err);
	else if (restart(sb, &err) == 0)
		return;
	if (err.code)
		life_wake(sb, &err, NULL);
}

static void let_go_of(struct sandbox_list *list)
{
	struct sandbox *sb;

	while ((sb = TAILQ_FIRST(list))) {
		if (sb->vm)
			vmproc_free(sb->vm);
		sb->vm = NULL;
		sandbox_unregister(sb);
	}
}

void life_let_go(struct runner *r)
{
	struct err err = ERR_INIT;
	struct sandbox *sb;

	err_set(&err, ERR_CANCELLED, "the runner ends");
	while ((sb = TAILQ_FIRST(&r->sandboxes))) {
		if (sb->boot)
			boot_abort(sb->boot, &err);
		life_wake(sb, &err, NULL);
		flatten_stop(sb);
		if (sb->vm)
			vmproc_free(sb->vm);
		sb->vm = NULL;
		sandbox_unregister(sb);
	}
	let_go_of(&r->snapshots);
	let_go_of(&r->hidden);
}
