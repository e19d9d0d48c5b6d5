/* SPDX-License-Identifier: MIT */
/* guest-init/console.h - a root shell on the serial console, on request */
#ifndef PODFLARE_GUEST_CONSOLE_H
#define PODFLARE_GUEST_CONSOLE_H

#include "guest-init/agent.h"

struct console {
	struct agent *agent;
	const char *port;
	struct loop_watch watch;	/* armed while there is no shell */
	struct agent_child shell;
	int fd;
};

/* Wait for Enter on the serial port; without a port, do nothing.
 * @param port its device's path, not copied */
void console_start(struct console *c, struct agent *a, const char *port);

#endif
