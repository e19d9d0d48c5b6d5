/* SPDX-License-Identifier: MIT */
/* runner/reap.h - children that nobody waits for */
#ifndef PODFLARE_RUNNER_REAP_H
#define PODFLARE_RUNNER_REAP_H

#include <sys/types.h>

#include "common/loop.h"

struct reaper {
	struct loop *loop;
	struct loop_timer again;
	pid_t seen;	/* has ended, and nobody has waited for it yet */
};

void reaper_init(struct reaper *r, struct loop *l);
/* A child has ended (SIGCHLD). */
void reaper_child(struct reaper *r);
void reaper_stop(struct reaper *r);

#endif
