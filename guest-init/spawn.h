/* SPDX-License-Identifier: MIT */
/* guest-init/spawn.h - from an EXEC request to a running command */
#ifndef PODFLARE_GUEST_SPAWN_H
#define PODFLARE_GUEST_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct spawn {
	const uint8_t *request;	/* the EXEC frame's payload */
	size_t request_len;
	const char *etc;	/* folder of passwd and group */
	int fds[3];		/* become 0, 1, 2; with tty: only fds[0] */
	bool tty;
	int cgroup;		/* its new group, -1: none */
	int extra[2];		/* further descriptors that it inherits */
	int nr_extra;
};

/* What a child says when there will be no command; whole, or nothing. */
struct spawn_failure {
	uint32_t why;		/* AGENT_WHY_*; 0: before the command's turn */
	uint32_t code;		/* enum err_code */
	int32_t sys;
	char msg[256];
};

/*
 * Fork; the child becomes the session's leader and then the command.
 * @param report what spawn_failure is read from (non-blocking) once the child
 * has ended; the caller's
 * Return: pid, or -1 with @err.
 */
pid_t spawn_command(const struct spawn *s, int *report, struct err *err);
/* fork(2) into a control group, also when its process limit is reached: what
 * has filled it must still be possible to look at and to kill.
 * @param cgroup its folder, -1: ours. Return: as fork(2). */
pid_t spawn_fork(int cgroup);
/* Close every descriptor from @fd on. */
void spawn_close_from(int fd);
/* Make a forked child an ordinary process: default signals, no protection from
 * the OOM killer, the usual limits. */
void spawn_reset(void);
/* No protection from the OOM killer. */
void spawn_unprotect(void);
/* pid 1 itself: many descriptors, the last victim of the OOM killer. */
void spawn_protect_self(void);

#endif
