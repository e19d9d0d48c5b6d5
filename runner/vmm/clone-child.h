/* SPDX-License-Identifier: MIT */
/* runner/vmm/clone-child.h - a live fork, in the children; for clone.c */
#ifndef PODFLARE_VMM_CLONE_CHILD_H
#define PODFLARE_VMM_CLONE_CHILD_H

#include "runner/vmm/vmm.h"

/* The descriptors of a child, in the order of struct ctl_fork. */
enum {
	CLONE_FD_SOCKET,
	CLONE_FD_CONSOLE,
	CLONE_FD_EXIT,
	CLONE_FD_LOG,
	CLONE_FD_LAYERS,
};

#define CLONE_CHILD_FDS CLONE_FD_LAYERS	/* and the layers */

/* What a child tells. Below PIPE_BUF, so written and read whole. */
struct clone_report {
	uint32_t index;
	uint32_t pid;
	int32_t error;
	char detail[200];
};

/* The request, taken apart. */
struct clone_plan {
	const struct ctl_fork *f;
	unsigned int nr_tops;
	const int *fds;		/* of all children, after the parent's tops */
	uint32_t kept;
	int pipe[2];
};

/* In the first child of a fork(2): make the others, then become the VMM of one
 * of them; in each. Who cannot be made reports it and ends. */
void clone_child(struct vmm *v, const struct clone_plan *p);

#endif
