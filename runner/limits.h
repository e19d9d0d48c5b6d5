/* SPDX-License-Identifier: MIT */
/*
 * runner/limits.h - whether the host can carry more copies of a sandbox
 *
 * Asked before anything is started.  What is taken for granted is in
 * limits.c and told in the message of a refusal.
 */
#ifndef PODFLARE_RUNNER_LIMITS_H
#define PODFLARE_RUNNER_LIMITS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct limits_fork {
	pid_t vmm;	/* which is to be copied */
	unsigned int n;	/* copies that run */
	unsigned int held;	/* copies that do not */
	unsigned int cpus;	/* virtual ones of each */
	const char *name;	/* for messages */
};

struct limits_memory {
	uint64_t total;		/* of the host, 0: a container has part of it */
	uint64_t available;	/* bytes */
};

/* Return: 0, or -1: not known. */
int limits_memory(struct limits_memory *m);
/* Memory, processes, our own descriptors. Return: 0, or -1 with @err
 * (ERR_NO_MEMORY, ERR_LIMIT) that tells the arithmetic. */
int limits_check_fork(const struct limits_fork *f, struct err *err);

#endif
