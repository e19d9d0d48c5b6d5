/* SPDX-License-Identifier: MIT */
/*
 * runner/fork.h - live copies of a sandbox, or of a point
 *
 * Whoever wants copies registers the sandboxes that they will be (state
 * CREATING), one more that is to be held (the fork's point) when the source is
 * no point itself, and starts the fork.  In the end each slot's sandbox is ready
 * or it is gone and the slot's `err` says why.
 */
#ifndef PODFLARE_RUNNER_FORK_H
#define PODFLARE_RUNNER_FORK_H

#include "runner/chain.h"
#include "runner/sandbox.h"

#define FORK_PREPS 20	/* jobs that prepare one batch */

struct fork;

struct fork_ops {
	/* The slots @first to @first + @n - 1 are processes now, those without
	 * an error. May be NULL. */
	void (*born)(void *arg, unsigned int first, unsigned int n);
	/* All is done. @err: no copy was made. The fork is freed after it. */
	void (*done)(void *arg, const struct err *err);
};

struct fork_files {
	int sock, console, exit, log, layer;	/* -1: none */
};

struct fork_slot {
	struct fork *fork;
	struct sandbox *sb;	/* a reference */
	bool held;	/* it will not run */
	struct err err;	/* why there is none */
	bool settled;	/* nothing more happens to it */
	bool unwanted;	/* somebody has removed it already */
	/* until then */
	struct fork_files files;
	struct agent_op *hello;
	bool greeted;	/* the guest has answered, or is not asked */
	bool undoing;
	struct slot_save *save;	/* in flight */
	bool saved;
	TAILQ_HEAD(, slot_removal) removals;	/* asked for meanwhile */
};

/* Preparation by a work thread of the slots from @first on. */
struct fork_prep {
	struct work_job job;
	struct fork *fork;
	unsigned int first, n;
};

struct fork {
	TAILQ_ENTRY(fork) link;	/* among those that wait for the source */
	struct runner *runner;
	struct sandbox *origin;	/* what is copied; a reference */
	struct sandbox *source;	/* of this batch: the same, or the point */
	const struct fork_ops *ops;
	void *arg;
	struct fork_slot *slots;
	unsigned int nr_slots;
	unsigned int first, batch;	/* of the batch that is being made */
	bool started;	/* it is the source's turn with this one */
	bool shortened;	/* its chain could not be made shorter: flat_err */
	struct err flat_err;
	bool cancelled;
	struct err err;	/* why there is no copy at all */
	unsigned int unsettled;	/* slots */
	unsigned int busy;	/* jobs of the fork itself */
	bool forked;	/* all batches are through */
	/* the source's part */
	struct fork_prep *preps;
	struct err prep_err, freeze_err;
	struct chain chain;	/* what every copy has below its own layer */
	unsigned int top_nr;	/* the source's fresh layer */
	int top;		/* -1: none */
	bool top_used;
	unsigned int kept_nr;	/* the layer that stays the source's alone */
	bool kept;
	struct agent_op *freeze;
	int frozen;	/* the stream that keeps the guest's processes still */
	struct work_job tidy;
	/* how long it took */
	json_t *steps;
	uint64_t mark_ns, forked_ns, greeted_ns, pause_ns;
};

/* A fork of @source with room for @n slots. Return: NULL with @err. */
struct fork *fork_new(struct sandbox *source, unsigned int n,
		      const struct fork_ops *ops, void *arg, struct err *err);
/* Before it is started; takes a reference. The held one comes first. */
void fork_add(struct fork *f, struct sandbox *sb, bool held);
/* done() is called later, never from here. */
void fork_start(struct fork *f);
/* Give up: what was made is undone, then done() is called. */
void fork_cancel(struct fork *f, const struct err *err);
/* The steps, and their times; to be called in done(). */
json_t *fork_steps(struct fork *f);

#endif
