/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vm.h - the virtual machine: RAM, buses, vCPUs, its end
 *
 * Theory of operation: two kinds of things live in here.  Plain memory: RAM,
 * buses, where the boot processor starts, how it ended.  And what belongs to
 * the process: KVM's descriptors, the vCPUs' maps and threads, the eventfd.
 * vm_open_kvm() makes all of the second kind, so that a child of fork(2) can
 * drop what it inherited and make its own.
 */
#ifndef PODFLARE_VMM_VM_H
#define PODFLARE_VMM_VM_H

#include "runner/vmm/bus.h"
#include "runner/vmm/kvm.h"
#include "runner/vmm/memory.h"
#include "runner/vmm/vcpu.h"
#include "runner/vmm/x86/chips.h"
#include "runner/vmm/x86/cpu.h"
#include "runner/vmm/x86/cpuid.h"
#include "runner/vmm/x86/cpustate.h"

#define VM_VCPUS_MAX 8

struct vm {
	struct guest_memory mem;
	struct bus pio, mmio;
	unsigned int nr_vcpus;
	struct cpu_entry entry;		/* of the boot processor */
	bool paused;			/* main thread's view */
	pthread_mutex_t end_lock;	/* guards end */
	struct vm_end end;		/* the first report of it */

	struct kvm kvm;
	struct vcpu_gate gate;
	struct vcpu_env env;
	struct vcpu vcpus[VM_VCPUS_MAX];
	int end_fd;			/* eventfd: end was set */

	/* What vm_restore_kvm() makes a VM from: plain memory. */
	struct cpuid_set cpuid;		/* of the host when the guest booted */
	struct cpustate_caps caps;
	struct chips chips;
	struct cpustate cpus[VM_VCPUS_MAX];
};

/* RAM and buses, no KVM yet. @param memory a file that RAM is mapped from
 * (memory_init_from()), -1: none. Return: 0, or -1 with @err, nothing to free. */
int vm_init(struct vm *vm, uint64_t ram, unsigned int vcpus, int memory,
	    struct err *err);
/* Stop, close, unmap everything. */
void vm_free(struct vm *vm);

/* Make the VM and its vCPUs as they are before their first instruction.
 * @param kvm_fd /dev/kvm, stays the caller's. Return: 0, or -1 with @err. */
int vm_open_kvm(struct vm *vm, int kvm_fd, struct err *err);
void vm_close_kvm(struct vm *vm);
/* Read the whole state of a paused VM out of KVM, into plain memory. Return: 0,
 * or -1 with @err, also for a guest that has ended. */
int vm_save(struct vm *vm, struct err *err);
/* The saved state as sections of a file: put, and get into a VM of vm_init(), on
 * which vm_restore_kvm() comes next. Return: 0, or -1 with @err: damaged, or of
 * another CPU. @param kvm_fd to compare with */
void vm_put(const struct vm *vm, struct statefile_writer *w);
int vm_get(struct vm *vm, int kvm_fd, const struct statefile *f,
	   struct err *err);
/* Find out what the host's KVM can (caps), where no VM was made yet. Return: 0, or
 * -1 with @err. */
int vm_probe(struct vm *vm, int kvm_fd, struct err *err);
/* In a child of fork(2): drop the parent's KVM objects and threads. Or drop our
 * own after vm_stop(): vm_restore_kvm() can make it all anew. */
void vm_forget_kvm(struct vm *vm);
/* Make the VM anew as vm_save() saw it, threads included; paused.
 * @param kvm_fd /dev/kvm, stays the caller's. Return: 0, or -1 with @err and
 * the KVM objects closed again. */
int vm_restore_kvm(struct vm *vm, int kvm_fd, struct err *err);
/* Put the boot processor at vm->entry and start the threads; paused, until
 * vm_resume(). Return: 0, or -1 with @err. */
int vm_start(struct vm *vm, struct err *err);
/* Wait until all threads of vm_start() have come to the gate: they have made
 * all the system calls of a thread's start. Return: 0, or -1 with @err. */
int vm_wait_started(struct vm *vm, struct err *err);
/* All vCPUs are parked, their registers whole, when it returns.
 * Return: 0 (also when paused already), or -1 with @err and running on. */
int vm_pause(struct vm *vm, struct err *err);
void vm_resume(struct vm *vm);
/* End all vCPU threads, for good. */
void vm_stop(struct vm *vm);

/* Say that the guest has ended. Any thread. @param detail copied */
void vm_report_end(struct vm *vm, enum vm_end_reason reason,
		   const char *detail);
/* Return: how it ended; reason VM_END_NONE while it runs. Any thread. */
struct vm_end vm_end(struct vm *vm);

#endif
