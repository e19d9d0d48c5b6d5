/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/kvm.h - the KVM objects of one virtual machine
 *
 * Descriptors only: they belong to this process's address space and are made
 * anew after fork(2).  Nothing in here is state of the guest's devices.
 */
#ifndef PODFLARE_VMM_KVM_H
#define PODFLARE_VMM_KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "runner/vmm/memory.h"

struct kvm {
	int fd;			/* /dev/kvm, not owned */
	int vm_fd;		/* -1: none */
	size_t run_size;	/* bytes of a vCPU's shared map */
	bool tsc_deadline;	/* the LAPIC timer has the TSC-deadline mode */
	bool tsc_rate;		/* vCPUs get the right one, see kvm.c */
};

#define KVM_INIT { .fd = -1, .vm_fd = -1 }

/* Is @fd a KVM that can do what the VMM needs? Return: 0, or -1 with @err
 * (ERR_KVM, naming what is missing). */
int kvm_check(int fd, struct err *err);
/*
 * Create the VM with its RAM, irqchip and PIT. vCPUs come after it.
 * @param kvm_fd /dev/kvm, stays the caller's
 * Return: 0, or -1 with @err and nothing left behind.
 */
int kvm_create(struct kvm *k, int kvm_fd, const struct guest_memory *m,
	       struct err *err);
/* Close the VM. The vCPUs must have been closed: each pins it. */
void kvm_destroy(struct kvm *k);

/* Give a VM or a vCPU the TSC rate that the host's kernel knows now. Return:
 * whether it could be done. */
bool kvm_set_tsc_rate(int fd);

/* The requests that are still made once the guest runs; @n of them. */
const uint32_t *kvm_ioctls_running(size_t *n);

/* Each write to the eventfd @fd is an edge on @gsi. Return: 0, -1 with @err. */
int kvm_bind_irq(const struct kvm *k, int fd, unsigned int gsi,
		 struct err *err);
/* A guest's 4-byte write of @value at @gpa signals the eventfd @fd, with no
 * exit to the VMM. Return: 0, or -1 with @err. */
int kvm_bind_kick(const struct kvm *k, int fd, uint64_t gpa, uint32_t value,
		  struct err *err);

#endif
