/* SPDX-License-Identifier: MIT */
/*
 * runner/chain.h - a sandbox's disk as files: its chain of CoW layers
 *
 * A sandbox's folder holds all of its layers, disk.000.cow at the bottom, the
 * one with the highest number on top; numbers may be missing.  Copies of a
 * sandbox share layers by hard links: a layer lives as long as some folder has
 * it.
 *
 * The functions block on the disk: they are for work threads.
 */
#ifndef PODFLARE_RUNNER_CHAIN_H
#define PODFLARE_RUNNER_CHAIN_H

#include <stdint.h>

#include "common/err.h"

#define CHAIN_MAX 44		/* layers of one sandbox */
#define CHAIN_FLATTEN 16	/* of more than so many, some are made one */
#define CHAIN_NAME 24
#define CHAIN_TMP "disk.flat.tmp"	/* a layer that is being made of others, */
#define CHAIN_LIVE_TMP "disk.live.tmp"	/* the same while a VMM has them */

struct chain {
	unsigned int n;
	unsigned int nr[CHAIN_MAX + 2];	/* their numbers, ascending */
};

void chain_name(char name[CHAIN_NAME], unsigned int nr);
/* What the folder has. Return: 0, or -1 with @err. */
int chain_list(int dirfd, struct chain *c, struct err *err);
/* The number that a further layer gets. */
unsigned int chain_next(const struct chain *c);
/* Bytes of the host's disk that the folder's layers take, shared ones too. */
uint64_t chain_used(int dirfd);
/* Make layer @nr, empty, for a disk of @size bytes. It need not be on stable
 * storage: one that was lost is made again when the chain is settled.
 * Return: its descriptor, -1 with @err. */
int chain_add(int dirfd, unsigned int nr, uint64_t size, struct err *err);
/* Give the folder @to the layers that @from has. Return: 0, or -1 with @err. */
int chain_link(int from, int to, const struct chain *c, struct err *err);
/* Remove layer @nr. Return: 0 (also when there is none), or -1 with @err. */
int chain_drop(int dirfd, unsigned int nr, struct err *err);
/* Remove layers that were being made when the runner or the host ended. */
void chain_tidy(int dirfd);

/* Make the chain fit to be opened by a VMM, whatever the last one left: all
 * layers sealed but the top, which nobody else has. @c is what there is then.
 * Nobody else may use the folder meanwhile. Return: 0, or -1 with @err. */
int chain_settle(int dirfd, uint64_t size, struct chain *c, struct err *err);
/* The same for the disk of a machine in files, whose highest layer is @top: what
 * lies above that was written by one that did not come to run, and goes; then
 * it gets a fresh layer. */
int chain_thaw(int dirfd, uint64_t size, unsigned int top, struct chain *c,
	       struct err *err);
/* Make one layer of all but the top one. Return: 0, or -1 with @err: then the
 * chain is as it was. */
int chain_flatten(int dirfd, struct chain *c, struct err *err);
/* Make CHAIN_FLATTEN layers, or fewer, of more: of those below the top that cost
 * least. Return: 0, or -1 with @err, when it may be done in part. */
int chain_shorten(int dirfd, struct chain *c, struct err *err);
/* Seal layer @nr, in a copy of this folder's own. Return: 0, or -1 with @err. */
int chain_own(int dirfd, unsigned int nr, struct err *err);

#endif
