/* SPDX-License-Identifier: MIT */
/* runner/vmm/vcpu-exit.h - why KVM_RUN returned, and what is done about it */
#ifndef PODFLARE_VMM_VCPU_EXIT_H
#define PODFLARE_VMM_VCPU_EXIT_H

#include <stdbool.h>

#include "runner/vmm/vcpu.h"

/* KVM_RUN returned 0. Return: false when this vCPU can run no more; then
 * env->ended was called. */
bool vcpu_handle_exit(struct vcpu *v);
/* KVM_RUN failed with @sys: calls env->ended. */
void vcpu_report_failure(struct vcpu *v, int sys);

#endif
