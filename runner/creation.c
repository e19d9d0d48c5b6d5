/* SPDX-License-Identifier: MIT */
/*
 * runner/creation.c - from a registered sandbox to one that runs and is saved
 *
 * podflared, loop thread.  Distrusts the guest to come up: what it waits for has
 * deadlines of its own (boot.c, fork.c).
 */
#include "runner/creation.h"

#include <stdio.h>

#include "runner/boot.h"
#include "runner/fork.h"
#include "runner/handout.h"
#include "runner/life.h"
#include "runner/pool.h"
#include "runner/store.h"
#include "runner/template.h"

struct creation {
	struct sandbox *sb;	/* a reference */
	const struct creation_ops *ops;
	void *arg;
	struct template_wait *wait;
	struct fork *fork;
	struct handout *handout;
	bool abandoned;	/* the last callback only frees it */
};

static void dissolve(struct creation *c)
{
	sandbox_unref(c->sb);
	free(c);
}

/* @console is taken over. */
static void end(struct creation *c, const struct err *err, json_t *console)
{
	c->sb->runner->busy_ns = now_ns();
	if (c->abandoned)
		json_decref(console);
	else
		c->ops->done(c->arg, err, console);
	dissolve(c);
}

static void progress(void *arg, const char *step, const char *text)
{
	struct creation *c = arg;

	c->ops->progress(c->arg, step, text);
}

/* ---- booted by itself ---- */

static void saved(void *arg, const struct err *err)
{
	end(arg, err, NULL);
}

static void booted(void *arg, const struct err *err, json_t *console)
{
	struct creation *c = arg;

	if (err) {
		end(c, err, console);
		return;
	}
	json_decref(console);
	sandbox_move(c->sb, SB_EV_READY);
	store_save(c->sb, saved, c);
}

static int boot_cold(struct creation *c, struct err *err)
{
	static const struct boot_ops ops = {
		.progress = progress, .done = booted,
	};
	const struct boot_plan plan = { .how = BOOT_COLD };

	if (store_make(c->sb, err) < 0)
		return -1;
	return boot_start(c->sb, &plan, &life_vm_ops, c->sb, &ops, c, err);
}

/* ---- a copy of a snapshot ---- */

static void awake_saved(void *arg, const struct err *err)
{
	struct creation *c = arg;
	struct err e = ERR_INIT;

	if (err)
		e = *err;
	else if (c->sb->state == SB_CREATING && !c->sb->vm)
		err_set(&e, ERR_GUEST, "sandbox %s: ended at once",
			c->sb->name);
	else if (c->sb->state == SB_CREATING)
		sandbox_move(c->sb, SB_EV_READY);
	end(c, e.code ? &e : NULL, NULL);
}

static void restored(void *arg, const struct err *err, json_t *console)
{
	struct creation *c = arg;

	if (err) {
		end(c, err, console);
		return;
	}
	json_decref(console);
	store_awake(c->sb, awake_saved, c);
}

static int restore(struct creation *c, struct sandbox *snapshot,
		   struct err *err)
{
	static const struct boot_ops ops = {
		.progress = progress, .done = restored,
	};
	const struct boot_plan plan = {
		.how = snapshot->disk_only ? BOOT_COLD : BOOT_COPY,
		.from = snapshot,
	};
	struct sandbox *sb = c->sb;

	sb->top = snapshot->top;
	snprintf(sb->disk_base, sizeof(sb->disk_base), "%s",
		 snapshot->disk_base);
	if (store_make(sb, err) < 0)
		return -1;
	return boot_start(sb, &plan, &life_vm_ops, sb, &ops, c, err);
}

/* ---- a copy of the template ---- */

static void copied(void *arg, const struct err *err)
{
	struct creation *c = arg;
	struct err e = c->fork->slots[0].err;

	c->fork = NULL;
	if (err)
		e = *err;
	end(c, e.code ? &e : NULL, NULL);
}

/* @how the template came to be there; @steps of its making, or NULL */
static int copy(struct creation *c, struct sandbox *t, const char *how,
		json_t *steps, struct err *err)
{
	static const struct fork_ops ops = { .done = copied };
	struct sandbox *sb = c->sb;

	c->fork = fork_new(t, 1, &ops, c, err);
	if (!c->fork)
		return -1;
	snprintf(sb->disk_base, sizeof(sb->disk_base), "%s", t->disk_base);
	snprintf(sb->origin.how, sizeof(sb->origin.how), "%s", how);
	if (steps)
		json_array_extend(sb->steps, steps);
	progress(c, "fork", "copying the booted machine");
	fork_add(c->fork, sb, false);
	fork_start(c->fork);
	return 0;
}

static void made(void *arg, struct sandbox *t, const char *how, json_t *steps,
		 const struct err *err, json_t *console)
{
	struct creation *c = arg;
	struct err e = ERR_INIT;
	int rc;

	c->wait = NULL;
	if (err && !c->sb->runner->cold) {
		e = *err;
		err_context(&e, "sandbox %s", c->sb->name);
		end(c, &e, console);
		return;
	}
	json_decref(console);
	if (err)
		rc = boot_cold(c, &e);
	else
		rc = copy(c, t, how, steps, &e);
	if (rc < 0)
		end(c, &e, NULL);
}

/* ---- a member of the pool ---- */

static void handed_out(void *arg, const struct err *err)
{
	struct creation *c = arg;
	struct sandbox *sb = c->sb;

	c->handout = NULL;
	if (!err) {
		sandbox_move(sb, SB_EV_READY);
		store_save(sb, NULL, NULL);	/* the steps, too */
	} else if (err->code == ERR_UNAVAILABLE) {
		pool_distrust(sb->runner);
	}
	end(c, err, NULL);
}

static int hand_out(struct creation *c, struct err *err)
{
	progress(c, "pool", "taking one that is ready");
	c->handout = handout_start(c->sb, handed_out, c, err);
	return c->handout ? 0 : -1;
}

static int start(struct creation *c, struct sandbox *snapshot,
		 struct err *err)
{
	static const struct template_ops ops = {
		.progress = progress, .done = made,
	};
	struct sandbox *t;

	if (snapshot)
		return restore(c, snapshot, err);
	if (c->sb->runner->cold)
		return boot_cold(c, err);
	if (pool_take(c->sb))
		return hand_out(c, err);
	t = template_find(c->sb);
	if (t)
		return copy(c, t, "zygote", NULL, err);
	c->wait = template_make(c->sb, &ops, c, err);
	return c->wait ? 0 : -1;
}

struct creation *creation_start(struct sandbox *sb, struct sandbox *snapshot,
				const struct creation_ops *ops, void *arg,
				struct err *err)
{
	struct creation *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(err, ERR_NO_MEMORY, "create");
		return NULL;
	}
	c->sb = sandbox_ref(sb);
	c->ops = ops;
	c->arg = arg;
	sb->runner->busy_ns = now_ns();
	if (start(c, snapshot, err) == 0)
		return c;
	dissolve(c);
	return NULL;
}

void creation_cancel(struct creation *c)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_CANCELLED, "the client went away");
	c->abandoned = true;
	if (c->wait) {
		template_cancel(c->wait);
		dissolve(c);
	} else if (c->fork) {
		fork_cancel(c->fork, &err);
	} else if (c->handout) {
		handout_cancel(c->handout);
		dissolve(c);
	} else if (c->sb->boot) {
		boot_cancel(c->sb);
		dissolve(c);
	}
	/* else it is being saved */
}
