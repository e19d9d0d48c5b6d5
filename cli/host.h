/* SPDX-License-Identifier: MIT */
/* cli/host.h - which runner to talk to (PODFLARE_HOST), and how */
#ifndef PODFLARE_CLI_HOST_H
#define PODFLARE_CLI_HOST_H

#include <stdbool.h>

#include "common/err.h"

/* A stream socket that speaks docs/api.md. Descriptors can be passed over it
 * only when a runner on this host is behind it; else a stream goes on behind
 * the reply line.
 * @param start start a runner, or the machine, when there is none
 * Return: the fd, or -1 with @err (ERR_UNAVAILABLE, ERR_USAGE). */
int host_connect(bool start, struct err *err);

#endif
