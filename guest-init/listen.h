/* SPDX-License-Identifier: MIT */
/* guest-init/listen.h - the vsock port that the agent is reached at */
#ifndef PODFLARE_GUEST_LISTEN_H
#define PODFLARE_GUEST_LISTEN_H

#include "guest-init/agent.h"

struct listener {
	struct loop_watch watch;
	struct agent *agent;
};

/* Listen on AGENT_VSOCK_PORT, then tell the host with one connection attempt to
 * AGENT_READY_PORT. Return: 0, or -1 with @err. */
int listen_start(struct listener *l, struct agent *a, struct err *err);

#endif
