/* SPDX-License-Identifier: MIT */
/* runner/vmctl-layers.h - the files that a guest's disk is made of (CTL_LAYERS) */
#ifndef PODFLARE_RUNNER_VMCTL_LAYERS_H
#define PODFLARE_RUNNER_VMCTL_LAYERS_H

#include "runner/vmctl.h"

struct vm_file {
	uint64_t dev, ino;
};

struct vm_layers {
	unsigned int n;		/* without the raw bottom, the lowest first */
	unsigned int sealed;	/* the lowest so many are */
	struct vm_file file[VM_LAYERS_MAX];
};

/* One layer in the place of several. */
struct vm_exchange {
	unsigned int first, count;	/* of what the VMM has */
	const struct vm_file *old;	/* what they are */
	int fd;			/* a sealed layer; the caller's */
};

/* @err NULL: @l is what the disk is made of now. */
typedef void (*vmctl_layers_cb)(void *arg, const struct err *err,
				const struct vm_layers *l);

/* @x NULL: nothing changes. An error: nothing has changed, unless it is
 * ERR_TIMEOUT. */
struct vmctl_call *vmctl_layers(struct vmctl *v, const struct vm_exchange *x,
				unsigned int timeout_ms, vmctl_layers_cb cb,
				void *arg, struct err *err);

#endif
