/* SPDX-License-Identifier: MIT */
/* cli/host.h - which runner to talk to (PODFLARE_HOST), and how */
#ifndef PODFLARE_CLI_HOST_H
#define PODFLARE_CLI_HOST_H

#include <stdbool.h>

#include "cli/cmd.h"

enum host_kind {
	HOST_LOCAL,	/* this user's runner on this host */
	HOST_UNIX,	/* unix:PATH */
	HOST_MACHINE,	/* the runner inside the emulated machine */
	HOST_SSH,	/* ssh://[USER@]HOST[:PORT] */
	HOST_EXEC,	/* exec:COMMAND */
};

/* What PODFLARE_HOST says; without it local, or the machine where there is no
 * hardware virtualization (PODFLARE_MACHINE=auto|always|never).
 * @param rest what stands behind the scheme, may be NULL
 * Return: 0, or -1 with @err (ERR_USAGE). */
int host_which(enum host_kind *kind, const char **rest, struct err *err);
/* Return: whether the runner sees the same files as we do, so that an image in
 * the local store is in its store, too. */
bool host_is_local(void);
/* What to do about a runner of another version; "" when that is not known. */
const char *host_version_hint(void);
/* Where to look when the connection ends too early. */
const char *host_lost_hint(void);

/* Why nothing may come for long. Return: 0: nothing is known to be wrong, or -1
 * with @err. */
int host_check_stall(struct err *err);

/* A stream socket that speaks docs/api.md. Descriptors can be passed over it
 * only when a runner on this host is behind it; else a stream goes on behind
 * the reply line.
 * @param g for what is said while the machine starts
 * @param start start a runner, or the machine, when there is none
 * Return: the fd, or -1 with @err (ERR_UNAVAILABLE, ERR_USAGE). */
int host_connect(const struct globals *g, bool start, struct err *err);

#endif
