/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vm-state.c - a VM's saved state as sections of a file
 *
 * Runs in podflare-vmm on the main thread.  Distrusts the file.
 */
#include "runner/vmm/vm.h"

struct vm_section {
	uint64_t ram;
	uint32_t vcpus;
	uint32_t tsc_khz;
};

void vm_put(const struct vm *vm, struct statefile_writer *w)
{
	const struct vm_section s = {
		.ram = vm->mem.ram, .vcpus = vm->nr_vcpus,
		.tsc_khz = vm->caps.tsc_khz,
	};

	statefile_put(w, &s, sizeof(s), "vm");
	statefile_put(w, vm->cpuid.entries,
		      vm->cpuid.nent * sizeof(vm->cpuid.entries[0]), "cpuid");
	chips_put(&vm->chips, w);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		cpustate_put(&vm->cpus[i], &vm->caps, i, w);
}

static int get_cpuid(struct vm *vm, int kvm_fd, const struct statefile *f,
		     struct err *err)
{
	struct cpuid_set here;
	size_t len;
	const void *entries = statefile_find(f, &len, "cpuid");

	if (!entries || len > sizeof(vm->cpuid.entries) ||
	    len % sizeof(vm->cpuid.entries[0]))
		return err_set(err, ERR_IO, "state: CPUID is damaged");
	memcpy(vm->cpuid.entries, entries, len);
	vm->cpuid.nent = (uint32_t)(len / sizeof(vm->cpuid.entries[0]));
	if (cpuid_supported(kvm_fd, &here, err) < 0)
		return -1;
	return cpuid_same_host(&vm->cpuid, &here, err);
}

int vm_get(struct vm *vm, int kvm_fd, const struct statefile *f,
	   struct err *err)
{
	struct vm_section s;

	if (statefile_get(f, &s, sizeof(s), err, "vm") < 0)
		return -1;
	if (s.ram != vm->mem.ram || s.vcpus != vm->nr_vcpus)
		return err_set(err, ERR_IO, "state: of another machine");
	if (get_cpuid(vm, kvm_fd, f, err) < 0 ||
	    vm_probe(vm, kvm_fd, err) < 0 ||
	    cpustate_same_tsc(&vm->caps, s.tsc_khz, err) < 0 ||
	    chips_get(&vm->chips, f, err) < 0)
		return -1;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (cpustate_get(&vm->cpus[i], &vm->caps, i, f, err) < 0)
			return -1;
	return 0;
}
