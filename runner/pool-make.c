/* SPDX-License-Identifier: MIT */
/*
 * runner/pool-make.c - one member of the pool is made
 *
 * podflared, loop thread.  Distrusts the member's guest and VMM as any other.
 *
 * Theory of operation:
 *
 *	template	the image's, which is made if there is none
 *	fork		a copy, greeted (HELLO) as every copy: it has randomness
 *			and a machine id that nobody else has
 *	touch		a first command, so that the pages that one writes to are
 *			the member's own already
 *	pause		its virtual CPUs: it costs no time while it waits
 *
 * On disk it is of the pool from its first meta.json on; one that a killed runner
 * leaves running has not come that far, and is removed.
 */
#include "runner/pool-make.h"

#include <stdio.h>

#include "common/log.h"
#include "runner/fork.h"
#include "runner/life.h"
#include "runner/machine.h"
#include "runner/template.h"
#include "runner/warmup.h"

struct pool_make {
	struct sandbox *sb;	/* a reference */
	pool_made_cb cb;
	void *arg;
	bool cancelled;
	/* the one that goes on */
	struct template_wait *wait;
	struct fork *fork;
	struct warmup *touch;
	struct vmctl_call *pause;
};

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

static void finish(struct pool_make *m, const struct err *err)
{
	struct sandbox *sb = m->sb;

	if (err)
		life_remove(sb, false, removed, NULL);
	if (!m->cancelled)
		m->cb(m->arg, err);
	sandbox_unref(sb);
	free(m);
}

static void paused(void *arg, const struct err *err, const struct vm_status *st,
		   int fd)
{
	struct pool_make *m = arg;
	struct err e = ERR_INIT;

	m->pause = NULL;
	if (err)
		e = *err;
	else if (m->sb->state != SB_RUNNING || !m->sb->vm)
		err_set(&e, ERR_UNAVAILABLE, "it has ended");
	else
		sandbox_move(m->sb, SB_EV_PAUSED);
	finish(m, e.code ? &e : NULL);
}

static void touched(void *arg)
{
	struct pool_make *m = arg;
	struct sandbox *sb = m->sb;
	struct err err = ERR_INIT;

	m->touch = NULL;
	if (sb->state != SB_RUNNING || !sb->vm || !vmproc_ctl(sb->vm))
		err_set(&err, ERR_UNAVAILABLE, "it has ended");
	else
		m->pause = vmctl_order(vmproc_ctl(sb->vm), VM_PAUSE,
				       sb->runner->agent_timeout_ms, paused, m,
				       &err);
	if (!m->pause)
		finish(m, &err);
}

static void copied(void *arg, const struct err *err)
{
	struct pool_make *m = arg;
	struct err e = m->fork->slots[0].err;

	m->fork = NULL;
	if (err)
		e = *err;
	if (!e.code && m->sb->state != SB_RUNNING)
		err_set(&e, ERR_CANCELLED, "it was removed");
	if (e.code) {
		finish(m, &e);
		return;
	}
	m->touch = warmup_touch(m->sb, touched, m);
	if (!m->touch)
		touched(m);
}

static int copy(struct pool_make *m, struct sandbox *t, struct err *err)
{
	static const struct fork_ops ops = { .done = copied };
	struct sandbox *sb = m->sb;

	m->fork = fork_new(t, 1, &ops, m, err);
	if (!m->fork)
		return -1;
	snprintf(sb->disk_base, sizeof(sb->disk_base), "%s", t->disk_base);
	fork_add(m->fork, sb, false);
	fork_start(m->fork);
	return 0;
}

static void template_made(void *arg, struct sandbox *t, const char *how,
			  json_t *steps, const struct err *err, json_t *console)
{
	struct pool_make *m = arg;
	struct err e = ERR_INIT;

	m->wait = NULL;
	json_decref(console);
	if (err)
		e = *err;
	else if (m->sb->state != SB_CREATING)
		err_set(&e, ERR_CANCELLED, "it was removed");
	else if (copy(m, t, &e) == 0)
		return;
	finish(m, &e);
}

static int begin(struct pool_make *m, struct err *err)
{
	static const struct template_ops ops = { .done = template_made };
	struct sandbox *t = template_find(m->sb);

	if (t)
		return copy(m, t, err);
	m->wait = template_make(m->sb, &ops, m, err);
	return m->wait ? 0 : -1;
}

/* Registered and filled. Return: not a reference, NULL with @err. */
static struct sandbox *new_member(struct runner *r, const char *ref,
				  struct err *err)
{
	char id[SANDBOX_ID_LEN + 1];
	json_t *params = json_pack("{s:s}", "image", ref);
	struct sandbox *sb;

	names_id(id);
	sb = sandbox_new(r, SB_POOL, id, id, SB_CREATING, err);
	if (sb && (machine_fill(sb, params, err) < 0 ||
		   machine_check_host(r, err) < 0)) {
		sandbox_unregister(sb);
		sb = NULL;
	}
	json_decref(params);
	if (!sb)
		return NULL;
	sb->env = json_object();
	sb->labels = json_object();
	template_stamp(sb);
	snprintf(sb->origin.how, sizeof(sb->origin.how), "pool");
	return sb;
}

struct pool_make *pool_make_start(struct runner *r, const char *ref,
				  pool_made_cb cb, void *arg, struct err *err)
{
	struct pool_make *m = calloc(1, sizeof(*m));

	if (!m) {
		err_set(err, ERR_NO_MEMORY, "pool");
		return NULL;
	}
	m->cb = cb;
	m->arg = arg;
	m->sb = new_member(r, ref, err);
	if (!m->sb) {
		free(m);
		return NULL;
	}
	sandbox_ref(m->sb);
	if (begin(m, err) == 0)
		return m;
	sandbox_unregister(m->sb);
	sandbox_unref(m->sb);
	free(m);
	return NULL;
}

void pool_make_cancel(struct pool_make *m)
{
	m->cancelled = true;
	if (m->wait)
		template_cancel(m->wait);
	if (m->touch)
		warmup_cancel(m->touch);
	if (m->pause)
		vmctl_cancel(m->pause);
	if (m->fork)
		return;		/* it comes to an end by itself */
	sandbox_unref(m->sb);
	free(m);
}
