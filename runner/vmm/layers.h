/* SPDX-License-Identifier: MIT */
/* runner/vmm/layers.h - what a disk is made of, told and changed (CTL_LAYERS) */
#ifndef PODFLARE_VMM_LAYERS_H
#define PODFLARE_VMM_LAYERS_H

#include "runner/vmm/vmm.h"

/* Carry out CTL_LAYERS, and answer. The fds are taken over if it returns true;
 * false: a message that is none. */
bool layers_request(struct vmm *v, const void *msg, size_t len, int *fds,
		    size_t nfds);

#endif
