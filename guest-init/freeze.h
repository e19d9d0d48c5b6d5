/* SPDX-License-Identifier: MIT */
/*
 * guest-init/freeze.h - no process of the user runs: FREEZE
 *
 * Theory of operation: the control group of all commands is frozen as long as a
 * FREEZE stream exists.  The host forks the guest meanwhile.  In the guest that
 * goes on the streams simply end; in its copy they are reset, and then all
 * stays as it is until HELLO has brought what a copy must not share.  The
 * host's own file transfers are not commands and go on.
 */
#ifndef PODFLARE_GUEST_FREEZE_H
#define PODFLARE_GUEST_FREEZE_H

#include "guest-init/conn.h"

#define FREEZE_WAIT_MS 100	/* then the answer is that some still run */

/* The FREEZE request; answers on @c. */
void freeze_start(struct conn *c);
/* A FREEZE may come over this stream, at any time. @param fd taken over */
void freeze_offer(struct agent *a, int fd);
/* HELLO: whatever streams there were, commands go on. */
void freeze_end(struct agent *a);
void freeze_free(struct agent *a);

#endif
