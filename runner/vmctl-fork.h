/* SPDX-License-Identifier: MIT */
/* runner/vmctl-fork.h - the request for live copies of a guest (CTL_FORK) */
#ifndef PODFLARE_RUNNER_VMCTL_FORK_H
#define PODFLARE_RUNNER_VMCTL_FORK_H

#include <sys/types.h>

#include "runner/vmctl.h"

#define VM_FORK_MAX 40

/* The files of one child of a fork. */
struct vm_fork_child {
	int sock;	/* its control socket, bound */
	int console, exit;
	int log;	/* the VMM's own */
	int layer;	/* fresh, its disk's new top */
	bool hold;	/* it is kept as it is, and does not run */
};

struct vm_forked {
	unsigned int n;
	bool kept_top;	/* the disk's top was untouched: it still is the top,
			 * and no child has it */
	uint64_t pause_ns;
	int error[VM_FORK_MAX];	/* 0 or an errno */
	pid_t pid[VM_FORK_MAX];	/* as the VMM says */
	char detail[256];	/* of the first error */
};

/* @err not NULL: there is no child. */
typedef void (*vmctl_fork_cb)(void *arg, const struct err *err,
			      const struct vm_forked *f);

/* Copies of the guest. @top: a fresh layer for its own disk. @n: 1 to
 * VM_FORK_MAX. */
struct vmctl_call *vmctl_fork(struct vmctl *v, int top,
			      const struct vm_fork_child *children,
			      unsigned int n, unsigned int timeout_ms,
			      vmctl_fork_cb cb, void *arg, struct err *err);

#endif
