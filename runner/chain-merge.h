/* SPDX-License-Identifier: MIT */
/* runner/chain-merge.h - what several sealed layers hold, in one file */
#ifndef PODFLARE_RUNNER_CHAIN_MERGE_H
#define PODFLARE_RUNNER_CHAIN_MERGE_H

#include <stdatomic.h>

#include "common/err.h"

#define CHAIN_MERGE_MAX 48

/* Write what @n layers hold together to @out, an empty file, as one sealed layer
 * on stable storage.
 * @param in lowest first, read only; their file offsets are moved
 * @param stop NULL, or looked at now and then: true gives up (ERR_CANCELLED)
 * Return: 0, or -1 with @err. */
int chain_merge(const int *in, unsigned int n, int out,
		const atomic_bool *stop, struct err *err);

/* Neighbours of a chain. */
struct chain_run {
	unsigned int first, n;
};

/* Which of @n layers, of so many bytes each, to make one of: the run that costs
 * least for each layer that is saved. Return: all of them if they are few, n 0:
 * there is nothing to be saved. */
struct chain_run chain_choose(const uint64_t *bytes, unsigned int n);

#endif
