/* SPDX-License-Identifier: MIT */
/*
 * runner/fork-slot.c - one copy of a fork, from its process to a sandbox
 *
 * podflared, loop thread; saving on work threads.  Distrusts the copy's VMM and
 * guest as any other.
 *
 * Theory of operation: two things have to be done once the process is there.
 * The guest is greeted (HELLO), which gives it entropy, clock and name of its
 * own and lets its processes go on; and its meta.json is saved.  They are done
 * at once: until both are through, a mark tells the next runner, should this
 * one be killed, that the sandbox is half made.
 */
#include "runner/fork-slot.h"

#include <stdio.h>

#include "common/agent.h"
#include "common/log.h"
#include "runner/agent-json.h"
#include "runner/agent.h"
#include "runner/store.h"

struct slot_save {
	struct work_job job;
	struct fork_slot *slot;
	int dirfd;	/* the sandbox's */
	char *text;
	char identity[VMPROC_ID];
	bool drop;	/* @kept_nr is the source's alone */
	unsigned int kept_nr;
	struct err err;
};

struct slot_removal {
	TAILQ_ENTRY(slot_removal) link;
	life_cb cb;
	void *arg;
};

static void undone(void *arg, const struct err *err)
{
	struct fork_slot *s = arg;

	if (err)
		log_error("%s", err->msg);
	store_unmark(s->sb->runner, s->sb->id);
	s->settled = true;
	fork_slot_settled(s);
}

/* Once nothing of it is in flight any more. */
static void undo(struct fork_slot *s)
{
	struct slot_removal *w;
	struct sandbox *sb = s->sb;

	if (s->undoing || s->save)
		return;
	s->undoing = true;
	sb->slot = NULL;
	while ((w = TAILQ_FIRST(&s->removals))) {
		TAILQ_REMOVE(&s->removals, w, link);
		life_remove(sb, false, w->cb, w->arg);
		free(w);
	}
	life_remove(sb, false, undone, s);
}

void fork_slot_fail(struct fork_slot *s, const struct err *err)
{
	if (s->settled && s->err.code)
		return;
	if (!s->err.code)
		s->err = *err;
	if (s->settled) {
		/* it was ready; now the whole fork is given up */
		s->settled = false;
		s->fork->unsettled++;
	}
	if (s->hello)
		agent_cancel(s->hello);
	s->hello = NULL;
	fork_close_files(s);
	undo(s);
}

void fork_slot_vm_gone(struct fork_slot *s, const struct vm_end *end)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_GUEST, "sandbox %s: ended at once%s%s", s->sb->name,
		end->detail[0] ? ": " : "", end->detail);
	fork_slot_fail(s, &err);
}

void fork_slot_remove(struct fork_slot *s, life_cb cb, void *arg)
{
	struct slot_removal *w = calloc(1, sizeof(*w));
	struct err err = ERR_INIT;

	if (!w) {
		err_set(&err, ERR_NO_MEMORY, "sandbox %s", s->sb->id);
		cb(arg, &err);
		return;
	}
	w->cb = cb;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&s->removals, w, link);
	s->unwanted = true;
	/* else it is met when there is a process, or when there is none */
	if (s->sb->vm)
		fork_slot_unwanted(s);
}

void fork_slot_unwanted(struct fork_slot *s)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_CANCELLED, "sandbox %s: was removed", s->sb->name);
	fork_slot_fail(s, &err);
}

static void check_ready(struct fork_slot *s)
{
	struct sandbox *sb = s->sb;

	if (!s->greeted || !s->saved || s->err.code)
		return;
	store_unmark(sb->runner, sb->id);
	sb->slot = NULL;
	sandbox_move(sb, s->held ? SB_EV_HELD : SB_EV_READY);
	s->settled = true;
	life_wake(sb, NULL, NULL);
	fork_slot_settled(s);
}

static void greeted(void *arg, const struct err *err, const uint8_t *values,
		    size_t len)
{
	struct fork_slot *s = arg;
	struct fork *f = s->fork;
	struct err e = ERR_INIT;

	s->hello = NULL;
	if (err)
		e = *err;
	else
		agent_check_hello(values, len, &e);
	if (e.code) {
		err_context(&e, "sandbox %s", s->sb->name);
		fork_slot_fail(s, &e);
		return;
	}
	s->greeted = true;
	f->greeted_ns = now_ns();
	json_array_append_new(s->sb->steps, json_pack(
		"{s:s, s:f}", "name", "agent", "ms",
		(double)(f->greeted_ns - f->forked_ns) / 1e6));
	check_ready(s);
}

/* A first message: a copy's VMM that gets none ends after a while. */
static int touch(struct fork_slot *s, struct err *err)
{
	return vmctl_order(vmproc_ctl(s->sb->vm), VM_STATUS,
			   s->sb->runner->agent_timeout_ms, NULL, NULL, err)
		? 0 : -1;
}

static int greet(struct fork_slot *s, struct err *err)
{
	struct runner *r = s->sb->runner;
	CLEANUP_BUF struct buf payload = BUF_INIT;

	if (agent_put_hello(&payload, s->sb->name, s->sb->kind == SB_VIEW ?
			    HELLO_VIEW : HELLO_COPY, err) < 0)
		return -1;
	s->hello = agent_call(&r->loop, vmproc_ctl(s->sb->vm), AGENT_HELLO,
			      &payload,
			      MIN(r->agent_timeout_ms, r->boot_timeout_ms),
			      greeted, s, err);
	return s->hello ? 0 : -1;
}

/* Work thread. */
static void save_run(struct work_job *j)
{
	struct slot_save *v = container_of(j, struct slot_save, job);

	if ((v->drop && chain_drop(v->dirfd, v->kept_nr, &v->err) < 0) ||
	    vmproc_record(v->dirfd, v->identity, &v->err) < 0)
		return;
	if (v->text)
		store_write(v->dirfd, v->text, &v->err);
}

static void save_done(struct work_job *j)
{
	struct slot_save *v = container_of(j, struct slot_save, job);
	struct fork_slot *s = v->slot;
	struct err err = v->err;

	s->save = NULL;
	free(v->text);
	free(v);
	if (s->err.code) {
		undo(s);
		return;
	}
	if (err.code) {
		err_context(&err, "sandbox %s", s->sb->name);
		fork_slot_fail(s, &err);
		return;
	}
	s->saved = true;
	check_ready(s);
}

static int save(struct fork_slot *s, struct err *err)
{
	struct slot_save *v = calloc(1, sizeof(*v));
	struct sandbox as = *s->sb;

	as.state = s->held ? SB_HELD : SB_RUNNING;
	if (v && sandbox_is_stored(&as))
		v->text = store_text(&as);
	if (!v || (sandbox_is_stored(&as) && !v->text)) {
		free(v);
		return err_set(err, ERR_NO_MEMORY, "meta.json");
	}
	v->job.run = save_run;
	v->job.done = save_done;
	v->slot = s;
	v->dirfd = s->sb->dirfd;
	vmproc_identity(s->sb->vm, v->identity);
	v->drop = s->fork->kept;
	v->kept_nr = s->fork->kept_nr;
	s->save = v;
	work_submit(&s->sb->runner->work, WORK_FORK, &v->job);
	return 0;
}

void fork_slot_born(struct fork_slot *s, pid_t pid)
{
	struct sandbox *sb = s->sb;
	struct fork *f = s->fork;
	struct err err = ERR_INIT;

	json_array_extend(sb->steps, f->steps);
	json_array_append_new(sb->steps, json_pack(
		"{s:s, s:f}", "name", "fork", "ms",
		(double)(f->forked_ns - f->mark_ns) / 1e6));
	sb->vm = vmproc_take(sb->runner, sb->id, sb->dirfd, pid, &life_vm_ops,
			     sb, &err);
	if (f->cancelled) {
		fork_slot_fail(s, &f->err);
		return;
	}
	if (s->unwanted) {
		fork_slot_unwanted(s);
		return;
	}
	s->greeted = s->held;
	if (sb->vm && (s->held ? touch(s, &err) : greet(s, &err)) == 0 &&
	    save(s, &err) == 0)
		return;
	err_context(&err, "sandbox %s", sb->name);
	fork_slot_fail(s, &err);
}
