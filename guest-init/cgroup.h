/* SPDX-License-Identifier: MIT */
/*
 * guest-init/cgroup.h - control groups: bounds for all commands, an end for each
 *
 * Theory of operation: every command runs below /sys/fs/cgroup/user, which has
 * the bounds on memory and processes, so that pid 1 is never starved by them.
 * Below it, "agent" has what pid 1 does for the host, and "commands" the rest,
 * which can be frozen as one.  Each session is a child group of that without
 * controllers: cheap to make, and cgroup.kill reaches every process that the
 * command left behind.
 */
#ifndef PODFLARE_GUEST_CGROUP_H
#define PODFLARE_GUEST_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#define CGROUP_STALE_MAX 256
#define CGROUP_CONSOLE 0	/* in place of a session */

struct cgroup {
	int user;		/* folder of the user group; -1: no groups here */
	int own;		/* its child for what pid 1 does for the host */
	int commands;		/* its child with the sessions */
	int events;		/* cgroup.events of that, kept open, or -1 */
	int memory_events;	/* kept open, -1 when there is none */
	int pids_events;
	uint32_t stale[CGROUP_STALE_MAX];	/* ended, processes remain */
	unsigned int nr_stale;
};

struct cgroup_events {
	uint64_t oom_kills;
	uint64_t fork_fails;
};

/* @param root where cgroup2 is mounted, NULL for no groups at all. Whatever is
 * missing in this kernel is left out. */
void cgroup_init(struct cgroup *cg, const char *root);
void cgroup_free(struct cgroup *cg);
/* Return: a descriptor of session @id's new group, -1 when there is none. */
int cgroup_make(struct cgroup *cg, uint32_t id);
/* Stop every process of the sessions, or let them go on. It takes a moment:
 * cgroup_is_frozen(), and EPOLLPRI of @events. Return: 0, or -1 with errno. */
int cgroup_freeze(struct cgroup *cg, bool on);
bool cgroup_is_frozen(const struct cgroup *cg);
/* SIGKILL to every process of the session. Return: 0, or -1 with errno. */
int cgroup_kill(struct cgroup *cg, uint32_t id);
/* The session has ended: remove its group now or, while processes live in it,
 * at a later cgroup_sweep(). */
void cgroup_drop(struct cgroup *cg, uint32_t id);
void cgroup_sweep(struct cgroup *cg);
void cgroup_events(const struct cgroup *cg, struct cgroup_events *ev);
/* The number in a one-value file of the user group, 0 when there is none. */
uint64_t cgroup_value(const struct cgroup *cg, const char *file);

#endif
