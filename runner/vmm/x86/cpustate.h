/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpustate.h - the whole state of a vCPU, out of KVM and into it
 *
 * Plain memory: a child of fork(2) has it without a copy.
 */
#ifndef PODFLARE_VMM_X86_CPUSTATE_H
#define PODFLARE_VMM_X86_CPUSTATE_H

#include <linux/kvm.h>

#include "runner/vmm/vcpu.h"
#include "runner/vmm/x86/msrs.h"

#define CPUSTATE_XSAVE_MAX 16384	/* bytes; AMX, which is not offered,
					 * would make it 11 KiB */

/* What the host's KVM can tell. Found out once, before the guest runs. */
struct cpustate_caps {
	bool probed;
	bool xcrs, debugregs, tsc_offset;
	size_t xsave2;		/* KVM_CAP_XSAVE2; 0: KVM_GET_XSAVE */
	struct msr_list msrs;
};

struct cpustate {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	uint64_t tsc_offset;	/* to the host's TSC, with caps.tsc_offset */
	struct msr_set msrs;
	_Alignas(64) uint8_t xsave[CPUSTATE_XSAVE_MAX];
};

/* @param v any vCPU. Return: 0, or -1 with @err: its state cannot be held. */
int cpustate_probe(struct cpustate_caps *caps, const struct kvm *k,
		   const struct vcpu *v, struct err *err);
/* Read the state of @v, whose thread is parked. Return: 0, or -1 with @err. */
int cpustate_save(struct cpustate *s, const struct cpustate_caps *caps,
		  const struct vcpu *v, struct err *err);
/* Write it to a new vCPU that has its CPUID; the VM's interrupt controllers and
 * clock are in place. Return: 0, or -1 with @err: the vCPU is unusable. */
int cpustate_restore(const struct cpustate *s, const struct cpustate_caps *caps,
		     const struct vcpu *v, struct err *err);

#endif
