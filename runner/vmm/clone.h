/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/clone.h - a live fork: this VMM becomes several
 */
#ifndef PODFLARE_VMM_CLONE_H
#define PODFLARE_VMM_CLONE_H

#include "common/loop.h"
#include "runner/vmm/control.h"

#define CLONE_JOBS 64	/* forks whose children are not all up yet */

struct vmm;

/* A fork as the parent sees it, until it is answered. */
struct clone_job {
	struct loop_watch results;	/* a pipe, ours; fd -1: free */
	struct vmm *vmm;
	bool mute;		/* who asked for it is gone */
	uint64_t told;		/* bit i: child i has reported */
	struct ctl_forked answer;
};

_Static_assert(CTL_FORK_MAX <= 64, "a bit for each child");

enum clone_result {
	FORK_FAILED,	/* nothing was made; @err says why */
	FORK_PARENT,	/* it is answered later, by CTL_FORKED */
	FORK_CHILD,	/* we are another process now, with a guest of our own */
};

void clone_init(struct vmm *v);
/* Carry out CTL_FORK. @param fds of the message: what is used is set to -1, in
 * the parent the rest is the caller's to close. */
enum clone_result clone_start(struct vmm *v, const struct ctl_fork *f, int *fds,
			      size_t nfds, struct err *err);
/* The client is gone: forks under way are not answered. */
void clone_mute(struct vmm *v);

#endif
