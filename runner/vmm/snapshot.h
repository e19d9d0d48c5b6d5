/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/snapshot.h - a whole machine into files, and out of them
 */
#ifndef PODFLARE_VMM_SNAPSHOT_H
#define PODFLARE_VMM_SNAPSHOT_H

#include "runner/vmm/vmm.h"

/* None of them taken over. */
struct snapshot_files {
	int state, memory;
	int pagemap;		/* to save: /proc/PID/pagemap of this process */
	int template;		/* memory of the template, -1: none */
};

/* The VMM is paused or held. Return: 0 with all on stable storage, or -1 with
 * @err. */
int snapshot_save(struct vmm *v, const struct snapshot_files *files,
		  struct err *err);
/* What else a restored machine is made of. */
struct snapshot_setup {
	const struct ctl_restore *c;
	int *disk_fds;		/* taken over, set to -1 */
};

/* v's kvm_fd, log_fd and exit_fd are set. The VMM is held afterwards.
 * Return: 0, or -1 with @err: it can only be ended then. */
int snapshot_restore(struct vmm *v, const struct snapshot_files *files,
		     const struct snapshot_setup *setup, struct err *err);

#endif
