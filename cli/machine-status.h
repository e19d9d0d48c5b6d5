/* SPDX-License-Identifier: MIT */
/* cli/machine-status.h - what the supervisor says about the machine */
#ifndef PODFLARE_CLI_MACHINE_STATUS_H
#define PODFLARE_CLI_MACHINE_STATUS_H

#include <sys/types.h>

#include "cli/machine-client.h"

struct machine_status {
	char state[32];		/* running, starting, stopping, stopped,
				 * stalled (the host's disk is full) */
	char version[64];	/* podflare's, in the machine */
	pid_t pid;		/* of QEMU */
	uint64_t memory;	/* bytes */
	uint64_t uptime;	/* s */
	bool icount;
	bool restart;		/* it was started from older files */
	int sandboxes;		/* -1: not known */
};

/* Return: 0, or -1 with @err (ERR_UNAVAILABLE: it is not running). */
int machine_status_get(struct machine_status *st,
		       const struct machine_start *how, struct err *err);
/* Ask the runner inside, too. */
void machine_status_sandboxes(struct machine_status *st, struct globals *g);
/* On stdout, for people and for programs. */
void machine_status_print(const struct machine_status *st);
void machine_status_json(const struct machine_status *st);

#endif
