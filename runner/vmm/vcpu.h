/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vcpu.h - virtual CPUs: a thread each, parked and released together
 *
 * Theory of operation: a thread enters KVM_RUN again and again and asks the
 * gate only when the kernel returned EINTR.  To park, the main thread closes
 * the gate, sets immediate_exit in the shared map and sends VCPU_SIGNAL:
 * wherever the thread is, its next KVM_RUN first completes a pending port or
 * MMIO exit and then gives EINTR.  So a parked vCPU's registers are whole.
 */
#ifndef PODFLARE_VMM_VCPU_H
#define PODFLARE_VMM_VCPU_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "runner/vmm/bus.h"
#include "runner/vmm/kvm.h"
#include "runner/vmm/vm-end.h"

#define VCPU_SIGNAL SIGUSR1	/* wakes a thread out of KVM_RUN */

struct kvm_run;

/* Where vCPUs wait. One for all vCPUs of a VM. */
struct vcpu_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool closed;		/* vCPUs have to wait */
	bool quit;		/* vCPU threads have to end */
	unsigned int parked;	/* threads that wait or have ended */
};

/* What a vCPU works with: plain memory, shared by all of a VM. */
struct vcpu_env {
	const struct bus *pio, *mmio;
	struct vcpu_gate *gate;
	/* The guest has come to an end; any thread, may come more than once.
	 * @param detail one line, copied */
	void (*ended)(struct vcpu_env *env, enum vm_end_reason reason,
		      const char *detail);
	/* CLOCK_MONOTONIC of the first exit of any of them; 0: none yet */
	_Atomic uint64_t first_exit_ns;
};

struct vcpu {
	unsigned int id;	/* = APIC id */
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool started;		/* thread is to be joined */
	struct vcpu_env *env;
};

#define VCPU_INIT { .fd = -1 }

/* Give VCPU_SIGNAL a handler that does nothing. Once per process.
 * Return: 0, or -1 with @err. */
int vcpu_init_signal(struct err *err);
void vcpu_gate_init(struct vcpu_gate *g);
/* Create the KVM vCPU. Return: 0, or -1 with @err. */
int vcpu_create(struct vcpu *v, unsigned int id, const struct kvm *k,
		struct vcpu_env *env, struct err *err);
/* Close it. Its thread must have ended, or be the parent's of a fork(2). Harmless on VCPU_INIT. */
void vcpu_destroy(struct vcpu *v);
/* Start the thread; it waits at the gate if that is closed. See
 * vcpu_init_signal(). Return: 0, or -1 with @err. */
int vcpu_start(struct vcpu *v, struct err *err);

/* Close the gate and wait until all @n threads are parked, or have ended.
 * Return: 0, or -1 with @err (ERR_TIMEOUT) and the gate open again. */
int vcpu_park_all(struct vcpu_gate *g, struct vcpu *v, unsigned int n,
		  struct err *err);
/* Open the gate. */
void vcpu_release_all(struct vcpu_gate *g, struct vcpu *v, unsigned int n);
/* End and join all threads that were started. */
void vcpu_stop_all(struct vcpu_gate *g, struct vcpu *v, unsigned int n);

#endif
