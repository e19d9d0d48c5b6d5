/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpustate.h - the whole state of a vCPU, out of KVM and into it
 *
 * Plain memory: a child of fork(2) has it without a copy.
 */
#ifndef PODFLARE_VMM_X86_CPUSTATE_H
#define PODFLARE_VMM_X86_CPUSTATE_H

#include <linux/kvm.h>

#include "runner/vmm/statefile.h"
#include "runner/vmm/vcpu.h"
#include "runner/vmm/x86/msrs.h"

#define CPUSTATE_XSAVE_MAX 16384	/* bytes; AMX, which is not offered,
					 * would make it 11 KiB */

/* What the host's KVM can tell. Found out once, before the guest runs. */
struct cpustate_caps {
	bool xcrs, debugregs, tsc_offset;
	uint32_t tsc_khz;	/* 0: not known */
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
	uint64_t tsc_offset;	/* to the host's TSC, if has_offset */
	bool has_offset;
	struct msr_set msrs;
	_Alignas(64) uint8_t xsave[CPUSTATE_XSAVE_MAX];
};

/* @param v any vCPU. Return: 0, or -1 with @err: its state cannot be held. */
int cpustate_probe(struct cpustate_caps *caps, const struct kvm *k,
		   const struct vcpu *v, struct err *err);
/* Can a guest that knows a TSC of @khz (0: not known) run here? Its kernel
 * measured it once. Return: 0, or -1 with @err. */
int cpustate_same_tsc(const struct cpustate_caps *caps, uint32_t khz,
		      struct err *err);
/* Read the state of @v, whose thread is parked. Return: 0, or -1 with @err. */
int cpustate_save(struct cpustate *s, const struct cpustate_caps *caps,
		  const struct vcpu *v, struct err *err);
/* Write it to a new vCPU that has its CPUID; the VM's interrupt controllers and
 * clock are in place. Return: 0, or -1 with @err: the vCPU is unusable. */
int cpustate_restore(const struct cpustate *s, const struct cpustate_caps *caps,
		     const struct vcpu *v, struct err *err);

/* Put the state of vCPU @id into sections "cpuID.*". */
void cpustate_put(const struct cpustate *s, const struct cpustate_caps *caps,
		  unsigned int id, struct statefile_writer *w);
/* Get it back. Without an offset to the TSC: that of another boot of the host
 * says nothing. Return: 0, or -1 with @err. */
int cpustate_get(struct cpustate *s, const struct cpustate_caps *caps,
		 unsigned int id, const struct statefile *f, struct err *err);

#endif
