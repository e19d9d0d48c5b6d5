/* SPDX-License-Identifier: MIT */
/* runner/daemon.h - how podflared begins: its log, its lock, its socket */
#ifndef PODFLARE_RUNNER_DAEMON_H
#define PODFLARE_RUNNER_DAEMON_H

#include "runner/runner.h"

/* Send stderr to podflared.log in the state folder, rotated when it is large.
 * Return: 0, or -1 with @err. */
int daemon_open_log(struct err *err);
struct daemon_locks {
	int data, runtime;	/* held as long as they are open */
};

/* Be the only runner of the data folder and of the runtime folder. The locks
 * are to be kept open. Return: 0, or -1 with @err. */
int daemon_lock(struct places *p, struct daemon_locks *locks, struct err *err);
/* The socket systemd passed (LISTEN_FDS), or our own. Listening. Return: fd, -1
 * with @err. @own: whether we made it. */
int daemon_listen(struct places *p, bool *own, struct err *err);
/* Tell who started us on stdout (common/dial.h), and give stdout up. @err NULL:
 * ready. */
void daemon_report(const struct err *err);

#endif
