/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/isolate.h - give up what a running guest's VMM does not need
 */
#ifndef PODFLARE_VMM_ISOLATE_H
#define PODFLARE_VMM_ISOLATE_H

#include <stdbool.h>

#include "common/err.h"

/*
 * No new privileges, and the system call filter, for all threads. To be called
 * when everything is made and the vCPU threads are parked; there is no way back.
 * Return: 0, or -1 with @err: the kernel refuses filters (a container, say), and
 * the VMM is as it was.
 */
int isolate_enter(struct err *err);
/* Return: whether this build has the filter: the sanitizers' runtimes make calls
 * of their own, and isolate_enter() does nothing there. */
bool isolate_built(void);

#endif
