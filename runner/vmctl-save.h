/* SPDX-License-Identifier: MIT */
/* runner/vmctl-save.h - a guest into files and out of them (CTL_SAVE, _RESTORE) */
#ifndef PODFLARE_RUNNER_VMCTL_SAVE_H
#define PODFLARE_RUNNER_VMCTL_SAVE_H

#include "runner/vmctl.h"

struct vm_save {
	int state, memory;	/* empty files, read-write */
	int pagemap;		/* /proc/PID/pagemap of the VMM */
	int template;		/* what its memory differs from, -1: none */
};

struct vm_restore {
	int kvm, console, exit;
	int state, memory;
	int template;		/* as it was for the save, -1: none */
	int base;		/* as in struct vm_config, the next three */
	int disk[VM_LAYERS_MAX];
	int nr_disk;
	char disk_id[20];
	uint64_t console_max;
};

/* All of a guest that is paused or held, on stable storage when it is answered.
 * The descriptors stay the caller's. */
struct vmctl_call *vmctl_save(struct vmctl *v, const struct vm_save *s,
			      unsigned int timeout_ms, vmctl_cb cb, void *arg,
			      struct err *err);
/* Into a VMM that was not configured; the guest is held then. */
struct vmctl_call *vmctl_restore(struct vmctl *v, const struct vm_restore *r,
				 unsigned int timeout_ms, vmctl_cb cb,
				 void *arg, struct err *err);

#endif
