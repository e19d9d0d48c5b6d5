/* SPDX-License-Identifier: MIT */
/* runner/kvm.h - whether this host can run sandboxes, and what cures it */
#ifndef PODFLARE_RUNNER_KVM_H
#define PODFLARE_RUNNER_KVM_H

#include "common/err.h"

/* Open /dev/kvm read-write. Return: fd, -1 with @err (ERR_KVM) and a hint. */
int kvm_open(struct err *err);

#endif
