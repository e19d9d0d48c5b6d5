/* SPDX-License-Identifier: MIT */
/*
 * common/dial.h - reach the runner of this user on this host
 *
 * Theory of operation: connect to the runner's socket; when nobody answers,
 * take the lock file beside it, try once more, start podflared, and wait until
 * it says on a pipe that it listens.  So any number of clients start one runner.
 */
#ifndef PODFLARE_COMMON_DIAL_H
#define PODFLARE_COMMON_DIAL_H

#include <stdbool.h>

#include "common/err.h"

#define RUNNER_SOCKET "runner.sock"	/* below PATH_RUNTIME */

/* @param path the socket, NULL for the default place
 * @param start start a runner when there is none (default place only)
 * Return: a connected stream socket, -1 with @err (ERR_UNAVAILABLE). */
int dial_runner(const char *path, bool start, struct err *err);
/*
 * Copy bytes both ways between (in_fd, out_fd) and the runner's socket until
 * both directions ended. When the runner's side passes a descriptor, the rest
 * of the stream goes on there (jsonrpc.h). Half-closes are passed on.
 * @param sock taken over and closed. Return: 0, or -1 with @err.
 */
int dial_relay(int sock, int in_fd, int out_fd, struct err *err);

#endif
