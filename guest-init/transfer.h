/* SPDX-License-Identifier: MIT */
/*
 * guest-init/transfer.h - PUT, GET and STAT, in a process of their own
 *
 * Theory of operation: files may block, and there may be many; so each of these
 * requests gets a fork of pid 1, which owns the stream from then on, uses it
 * blocking, and ends with the operation.
 */
#ifndef PODFLARE_GUEST_TRANSFER_H
#define PODFLARE_GUEST_TRANSFER_H

#include "guest-init/conn.h"

/* Hand the connection over to a new process; errors are answered on @c. */
void transfer_start(struct conn *c, const struct frame *f);

#endif
