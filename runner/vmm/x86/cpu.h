/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpu.h - a vCPU's state before its first instruction
 */
#ifndef PODFLARE_VMM_X86_CPU_H
#define PODFLARE_VMM_X86_CPU_H

#include <stdint.h>

#include "common/err.h"
#include "runner/vmm/memory.h"
#include "runner/vmm/vcpu.h"

struct cpuid_set;

/* Where the boot processor starts, in 64-bit mode. */
struct cpu_entry {
	uint64_t rip;
	uint64_t rsi;		/* Linux: the zero page */
};

/* GDT and identity page tables of the first 4 GiB, into guest memory.
 * Return: 0, or -1 with @err. */
int cpu_write_tables(const struct guest_memory *m, struct err *err);
/* CPUID, MSRs and local interrupt pins of @v, one of @cpus.
 * @param supported of cpuid_supported(): asking costs 0.3 ms, so once a VM
 * Return: 0, or -1 with @err. */
int cpu_setup(const struct vcpu *v, const struct kvm *k, unsigned int cpus,
	      const struct cpuid_set *supported, struct err *err);
/* Of cpu_setup() the CPUID alone: for a vCPU whose state is restored. Before
 * anything else is set. Return: 0, or -1 with @err. */
int cpu_set_cpuid(const struct vcpu *v, const struct kvm *k, unsigned int cpus,
		  const struct cpuid_set *supported, struct err *err);
/* Put @v into 64-bit mode at @e, on the tables above, runnable. vCPUs that are
 * not put anywhere wait for a start-up IPI. Return: 0, or -1 with @err. */
int cpu_enter_at(const struct vcpu *v, const struct cpu_entry *e,
		 struct err *err);
/* Tell the guest's kvm-clock that it was stopped on purpose, or the guest's
 * soft-lockup watchdog barks after a resume. */
void cpu_clock_was_stopped(const struct vcpu *v);

#endif
