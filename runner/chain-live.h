/* SPDX-License-Identifier: MIT */
/*
 * runner/chain-live.h - the chain of a guest that runs, made shorter: its files
 *
 * Blocking, for work threads; flatten.c has the order of things.
 */
#ifndef PODFLARE_RUNNER_CHAIN_LIVE_H
#define PODFLARE_RUNNER_CHAIN_LIVE_H

#include "runner/chain.h"
#include "runner/chain-merge.h"
#include "runner/vmctl-layers.h"

struct chain_live {
	struct vm_layers have;	/* what the VMM has, as it said */
	atomic_bool stop;	/* for any thread: give up */
	/* by chain_live_merge(): */
	int fd;			/* the new layer, -1: none */
	unsigned int first, count;	/* of the VMM's, that it stands for */
	unsigned int nr[CHAIN_MERGE_MAX], n;	/* the folder's */
	struct vm_file is[CHAIN_MERGE_MAX];	/* what these are */
	unsigned int dead[CHAIN_MERGE_MAX], nr_dead;	/* more that go */
};

/* Write out what the host has not yet: a flush by the VMM, which the guest waits
 * for, has little left to do then. */
void chain_live_sync(int dirfd);
/* Choose layers of the folder, and make a file of what they hold.
 * Return: 0, or -1 with @err and no file. */
int chain_live_merge(int dirfd, struct chain_live *l, struct err *err);
/* The VMM has taken it: let it take their place in the folder, too. Nobody else
 * may use that meanwhile. Return: 0, or -1 with @err: as it was, or nearly. */
int chain_live_store(int dirfd, struct chain_live *l, struct err *err);
/* The VMM has not. */
void chain_live_drop(int dirfd, struct chain_live *l);

#endif
