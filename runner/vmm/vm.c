/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vm.c - the virtual machine: RAM, buses, vCPUs, its end
 *
 * Owns the parts that every guest has; devices are added by others.  Runs in
 * podflare-vmm on the main thread; vCPU threads only report the end.
 */
#include "runner/vmm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/vmm/x86/cpuid.h"

static void on_ended(struct vcpu_env *env, enum vm_end_reason reason,
		     const char *detail)
{
	vm_report_end(container_of(env, struct vm, env), reason, detail);
}

int vm_init(struct vm *vm, uint64_t ram, unsigned int vcpus, int memory,
	    struct err *err)
{
	*vm = (struct vm){
		.nr_vcpus = vcpus,
		.kvm = KVM_INIT,
		.end_fd = -1,
	};
	if (vcpus < 1 || vcpus > VM_VCPUS_MAX)
		return err_set(err, ERR_USAGE, "vCPUs: %u is not 1 to %d",
			       vcpus, VM_VCPUS_MAX);
	for (unsigned int i = 0; i < VM_VCPUS_MAX; i++)
		vm->vcpus[i] = (struct vcpu)VCPU_INIT;
	pthread_mutex_init(&vm->end_lock, NULL);
	vcpu_gate_init(&vm->gate);
	vm->env = (struct vcpu_env){
		.pio = &vm->pio,
		.mmio = &vm->mmio,
		.gate = &vm->gate,
		.ended = on_ended,
	};
	if (memory >= 0)
		return memory_init_from(&vm->mem, ram, memory, err);
	return memory_init(&vm->mem, ram, err);
}

static int make_vcpus(struct vm *vm, struct err *err)
{
	if (cpuid_supported(vm->kvm.fd, &vm->cpuid, err) < 0)
		return -1;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (vcpu_create(v, i, &vm->kvm, &vm->env, err) < 0 ||
		    cpu_setup(v, &vm->kvm, vm->nr_vcpus, &vm->cpuid, err) < 0)
			return -1;
	}
	return cpustate_probe(&vm->caps, &vm->kvm, &vm->vcpus[0], err);
}

static int remake_vcpus(struct vm *vm, struct err *err)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (vcpu_create(v, i, &vm->kvm, &vm->env, err) < 0 ||
		    cpu_set_cpuid(v, &vm->kvm, vm->nr_vcpus, &vm->cpuid,
				  err) < 0)
			return -1;
	}
	if (chips_restore(&vm->chips, &vm->kvm, err) < 0)
		return -1;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (cpustate_restore(&vm->cpus[i], &vm->caps, &vm->vcpus[i],
				     err) < 0)
			return -1;
	return 0;
}

/* @param make the vCPUs */
static int open_kvm(struct vm *vm, int kvm_fd,
		    int (*make)(struct vm *vm, struct err *err),
		    struct err *err)
{
	if (kvm_create(&vm->kvm, kvm_fd, &vm->mem, err) < 0)
		return -1;
	vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->end_fd >= 0 && make(vm, err) == 0)
		return 0;
	if (vm->end_fd < 0)
		err_sys(err, errno, "kvm: event");
	vm_close_kvm(vm);
	return -1;
}

int vm_open_kvm(struct vm *vm, int kvm_fd, struct err *err)
{
	return open_kvm(vm, kvm_fd, make_vcpus, err);
}

/* One vCPU, whose abilities are all of them's. */
static int probe_vcpu(struct vm *vm, struct err *err)
{
	struct vcpu *v = &vm->vcpus[0];

	if (vcpu_create(v, 0, &vm->kvm, &vm->env, err) < 0 ||
	    cpu_set_cpuid(v, &vm->kvm, vm->nr_vcpus, &vm->cpuid, err) < 0)
		return -1;
	return cpustate_probe(&vm->caps, &vm->kvm, v, err);
}

int vm_probe(struct vm *vm, int kvm_fd, struct err *err)
{
	if (open_kvm(vm, kvm_fd, probe_vcpu, err) < 0)
		return -1;
	vm_close_kvm(vm);
	return 0;
}

int vm_save(struct vm *vm, struct err *err)
{
	BUG_ON(!vm->paused);
	/* its vCPUs stand where a copy would run into the same, unheard */
	if (vm_end(vm).reason != VM_END_NONE)
		return err_set(err, ERR_STATE, "the guest has just ended");
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (cpustate_save(&vm->cpus[i], &vm->caps, &vm->vcpus[i],
				  err) < 0)
			return -1;
	return chips_save(&vm->chips, &vm->kvm, err);
}

void vm_forget_kvm(struct vm *vm)
{
	/* threads that waited at the gate are the parent's */
	vcpu_gate_init(&vm->gate);
	pthread_mutex_init(&vm->end_lock, NULL);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vm->vcpus[i].started = false;
	vm->paused = false;
	vm->env.first_exit_ns = 0;
	vm_close_kvm(vm);
}

void vm_close_kvm(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_destroy(&vm->vcpus[i]);
	if (vm->end_fd >= 0)
		close(vm->end_fd);
	vm->end_fd = -1;
	kvm_destroy(&vm->kvm);
}

/* They come to a closed gate. */
static int start_threads(struct vm *vm, struct err *err)
{
	vm->gate.closed = true;
	vm->paused = true;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (vcpu_start(&vm->vcpus[i], err) < 0)
			return -1;	/* vm_stop() ends those that started */
	return 0;
}

int vm_start(struct vm *vm, struct err *err)
{
	if (cpu_enter_at(&vm->vcpus[0], &vm->entry, err) < 0)
		return -1;
	return start_threads(vm, err);
}

int vm_restore_kvm(struct vm *vm, int kvm_fd, struct err *err)
{
	if (open_kvm(vm, kvm_fd, remake_vcpus, err) < 0)
		return -1;
	if (start_threads(vm, err) == 0)
		return 0;
	vm_stop(vm);
	vm_forget_kvm(vm);
	return -1;
}

int vm_wait_started(struct vm *vm, struct err *err)
{
	return vcpu_park_all(&vm->gate, vm->vcpus, vm->nr_vcpus, err);
}

int vm_pause(struct vm *vm, struct err *err)
{
	if (vm->paused)
		return 0;
	if (vcpu_park_all(&vm->gate, vm->vcpus, vm->nr_vcpus, err) < 0)
		return -1;
	vm->paused = true;
	return 0;
}

void vm_resume(struct vm *vm)
{
	if (!vm->paused)
		return;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		cpu_clock_was_stopped(&vm->vcpus[i]);
	vm->env.first_exit_ns = 0;
	vm->paused = false;
	vcpu_release_all(&vm->gate, vm->vcpus, vm->nr_vcpus);
}

void vm_stop(struct vm *vm)
{
	vcpu_stop_all(&vm->gate, vm->vcpus, vm->nr_vcpus);
}

void vm_free(struct vm *vm)
{
	vm_stop(vm);
	vm_close_kvm(vm);
	memory_free(&vm->mem);
}

void vm_report_end(struct vm *vm, enum vm_end_reason reason,
		   const char *detail)
{
	pthread_mutex_lock(&vm->end_lock);
	if (vm->end.reason == VM_END_NONE) {
		vm->end.reason = reason;
		snprintf(vm->end.detail, sizeof(vm->end.detail), "%s", detail);
		eventfd_write(vm->end_fd, 1);
	}
	pthread_mutex_unlock(&vm->end_lock);
}

struct vm_end vm_end(struct vm *vm)
{
	struct vm_end end;

	pthread_mutex_lock(&vm->end_lock);
	end = vm->end;
	pthread_mutex_unlock(&vm->end_lock);
	return end;
}
