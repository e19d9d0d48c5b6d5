/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpuid.h - what a vCPU says about itself
 *
 * All that the host's KVM supports, minus what a sandbox must not have, plus a
 * topology: one socket, one core per vCPU, one thread per core.
 */
#ifndef PODFLARE_VMM_X86_CPUID_H
#define PODFLARE_VMM_X86_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "common/err.h"

#define CPUID_ENTRIES 256	/* KVM_MAX_CPUID_ENTRIES */

/* struct kvm_cpuid2, with room. */
struct cpuid_set {
	uint32_t nent, padding;
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES];
};

struct cpuid_topology {
	unsigned int apic_id;	/* of this vCPU */
	unsigned int cpus;	/* of the VM */
	bool tsc_deadline;	/* KVM_CAP_TSC_DEADLINE_TIMER */
};

/* KVM_GET_SUPPORTED_CPUID. @param kvm_fd /dev/kvm. Return: 0, -1 with @err. */
int cpuid_supported(int kvm_fd, struct cpuid_set *set, struct err *err);
/* Is @a's host the same kind of CPU as @b's, to a guest? Return: 0, or -1 with
 * @err naming both and the first leaf that differs. */
int cpuid_same_host(const struct cpuid_set *a, const struct cpuid_set *b,
		    struct err *err);
/* Turn the supported set into the one of a vCPU, in place. */
void cpuid_adapt(struct cpuid_set *set, const struct cpuid_topology *t);

#endif
