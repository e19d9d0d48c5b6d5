/* SPDX-License-Identifier: MIT */
/*
 * guest-init/sink.h - output of daemons whose command has ended
 *
 * What a command left running still holds its output pipe.  Were the other end
 * closed, its next line of output would kill it; so it is read, and dropped.
 */
#ifndef PODFLARE_GUEST_SINK_H
#define PODFLARE_GUEST_SINK_H

#include "guest-init/agent.h"

#define SINKS_MAX 256	/* beyond it, the oldest is closed */

/* @param fd the read end of a pipe, taken over */
void sink_add(struct agent *a, int fd);
void sink_free_all(struct agent *a);

#endif
