/* SPDX-License-Identifier: MIT */
/* runner/server.h - the listening socket and its clients */
#ifndef PODFLARE_RUNNER_SERVER_H
#define PODFLARE_RUNNER_SERVER_H

#include "runner/runner.h"

/* @param listen_fd a listening stream socket, taken over.
 * Return: NULL with @err. */
struct server *server_new(struct runner *r, int listen_fd, struct err *err);
/* Send what is queued (for @timeout_ms at most), drop all clients, free. */
void server_free(struct server *s, int timeout_ms);

#endif
