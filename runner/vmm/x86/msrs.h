/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/msrs.h - a vCPU's model-specific registers
 */
#ifndef PODFLARE_VMM_X86_MSRS_H
#define PODFLARE_VMM_X86_MSRS_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "common/err.h"

#define MSRS_MAX 512
#define MSR_TSC 0x10
#define MSR_TSC_DEADLINE 0x6e0

/* Those that make up a vCPU's state on this host; without the two above, which
 * have their own time. */
struct msr_list {
	uint32_t n;
	bool tsc_deadline;	/* there is such a register */
	uint32_t index[MSRS_MAX];
};

struct msr_set {
	uint64_t tsc, tsc_deadline;
	/* struct kvm_msrs, with room */
	uint32_t n, pad;
	struct kvm_msr_entry e[MSRS_MAX];
};

/* @param kvm_fd /dev/kvm, @vcpu_fd any vCPU. Return: 0, or -1 with @err. */
int msrs_probe(struct msr_list *l, int kvm_fd, int vcpu_fd, struct err *err);
bool msrs_listed(const struct msr_list *l, uint32_t index);
int msrs_save(struct msr_set *s, const struct msr_list *l, int vcpu_fd,
	      struct err *err);
int msrs_restore(const struct msr_set *s, const struct msr_list *l, int vcpu_fd,
		 struct err *err);
int msrs_set_one(int vcpu_fd, uint32_t index, uint64_t value, struct err *err);

#endif
