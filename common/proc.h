/* SPDX-License-Identifier: MIT */
/* common/proc.h - processes: start, identity, wait */
#ifndef PODFLARE_COMMON_PROC_H
#define PODFLARE_COMMON_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct proc_spawn {
	const char *const *argv;	/* argv[0] is searched in PATH */
	const char *const *envp;	/* NULL: our own */
	const char *cwd;		/* NULL: ours */
	int fds[16];			/* become 0, 1, 2, ... in the child; */
	int nfds;			/* -1 in fds[]: /dev/null */
	bool new_session;		/* setsid(2): survives its starter */
	bool die_with_parent;		/* PR_SET_PDEATHSIG SIGKILL */
};

/* All other descriptors are closed in the child, signals reset to default and
 * unblocked. An exec that fails is reported here, not in the child.
 * @param pidfd may be NULL; the caller's otherwise. Return: pid, -1 with @err. */
pid_t proc_spawn(const struct proc_spawn *s, int *pidfd, struct err *err);
/* Field 22 of /proc/PID/stat, clock ticks since boot. Return: 0 if gone. */
uint64_t proc_start_time(pid_t pid);
/* A pidfd for the process that has this pid AND this start time.
 * Return: fd, or -1 (ESRCH when it is gone or another one). */
int proc_open(pid_t pid, uint64_t start_time);
/* Return: 0, or -1 with errno. */
int proc_signal(int pidfd, int sig);

#endif
