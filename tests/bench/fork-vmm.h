/* SPDX-License-Identifier: MIT */
/* tests/bench/fork-vmm.h - a podflare-vmm with a tiny guest, and its copies */
#ifndef PODFLARE_TESTS_BENCH_FORK_VMM_H
#define PODFLARE_TESTS_BENCH_FORK_VMM_H

#include <stdbool.h>
#include <sys/types.h>

#include "runner/vmm/control.h"

struct vmm_options {
	uint64_t ram, dirty;	/* bytes */
	uint64_t disk;		/* bytes, 0: none */
	bool busy;		/* the guest exits all the time */
	uint64_t used;		/* bytes of it that a sealed layer holds */
};

struct vmm {
	int dirfd;		/* of the sockets; a copy's name is its number */
	int sock;		/* to the source of the copies */
	pid_t pid;
	uint64_t disk;
};

#define BATCH_CHILD_FDS 5	/* at most */

/* A CTL_FORK, its descriptors made before the clock runs. */
struct batch {
	struct ctl_fork f;
	int fds[CTL_MAX_FDS];
	size_t nfds;
};

/* All of these end the program when something fails. Start the VMM in @dir; its guest is idle when this returns. */
void vmm_start(struct vmm *v, const char *dir, const struct vmm_options *o);
/* Connect to copy @nr. */
int vmm_connect(const struct vmm *v, unsigned int nr);
/* A request that is nothing but its header. */
void vmm_order(int sock, uint32_t type, struct ctl_reply *r);
/* Become a client of copy @nr in place of the VMM that was, which ends. */
void vmm_take_over(struct vmm *v, unsigned int nr, pid_t pid);
/* Kill, and wait until it is gone, which is not our child. */
void vmm_kill(pid_t pid);

void batch_clear(struct batch *b, const struct vmm *v);
/* Add copy @nr. */
void batch_add(struct batch *b, const struct vmm *v, unsigned int nr,
	       bool hold);
/* Make them. @pids: in the order of batch_add(). Return: the pause in ns. */
uint64_t batch_run(struct batch *b, int sock, pid_t *pids);

#endif
