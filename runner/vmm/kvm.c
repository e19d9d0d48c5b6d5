/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/kvm.c - the KVM objects of one virtual machine
 *
 * Owns the VM descriptor.  Runs in podflare-vmm on the main thread.  Trusts the
 * host's kernel; takes nothing for granted that a capability can tell.
 *
 * Theory of operation: the order matters.  Memory slots come before the
 * irqchip (set after it, a slot waits for a grace period of 4 to 10 ms), the
 * identity map address before the first vCPU (API: EINVAL afterwards).
 */
#include "runner/vmm/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runner/vmm/x86/layout.h"

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_IRQCHIP, "in-kernel irqchip" },
	{ KVM_CAP_PIT2, "PIT2" },
	{ KVM_CAP_USER_MEMORY, "user memory" },
	{ KVM_CAP_EXT_CPUID, "CPUID" },
	{ KVM_CAP_IRQFD, "irqfd" },
	{ KVM_CAP_IOEVENTFD, "ioeventfd" },
	{ KVM_CAP_MP_STATE, "MP state" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },	/* 4.13 */
};

int kvm_check(int fd, struct err *err)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return err_set(err, ERR_KVM, "kvm: not a KVM device: %s",
			       strerror(errno));
	if (version != KVM_API_VERSION)
		return err_set(err, ERR_KVM, "kvm: API version %d, not %d",
			       version, KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) > 0)
			continue;
		err_set(err, ERR_KVM, "kvm: the host's KVM has no %s",
			needed[i].name);
		err_hint(err, "a Linux kernel from 5.10 on is needed");
		return -1;
	}
	return 0;
}

static bool vm_has(const struct kvm *k, int cap)
{
	return ioctl(k->vm_fd, KVM_CHECK_EXTENSION, cap) > 0;
}

static int set_memory(const struct kvm *k, const struct guest_memory *m,
		      struct err *err)
{
	for (unsigned int i = 0; i < m->nr_slots; i++) {
		struct kvm_userspace_memory_region r = {
			.slot = i,
			.guest_phys_addr = m->slots[i].gpa,
			.memory_size = m->slots[i].size,
			.userspace_addr = (uintptr_t)m->slots[i].host,
		};

		if (ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
			return err_sys(err, errno, "kvm: memory slot %u", i);
	}
	return 0;
}

/* Intel without "unrestricted guest" runs real mode in a TSS and an identity
 * page table of its own, inside guest-physical space: both go into the hole,
 * away from RAM.  AMD takes the calls and ignores them. */
static int set_intel_pages(const struct kvm *k, struct err *err)
{
	uint64_t map = LAYOUT_KVM_IDENTITY_MAP;

	if (vm_has(k, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &map) < 0)
		return err_sys(err, errno, "kvm: identity map address");
	if (vm_has(k, KVM_CAP_SET_TSS_ADDR) &&
	    ioctl(k->vm_fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS) < 0)
		return err_sys(err, errno, "kvm: TSS address");
	return 0;
}

/* No virtual PMU (5.18 on; before that, masking CPUID does it): counters are a
 * side channel, cost on every entry, and state to carry. */
static void disable_pmu(const struct kvm *k)
{
#ifdef KVM_CAP_PMU_CAPABILITY
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PMU_CAPABILITY,
		.args = { KVM_PMU_CAP_DISABLE },
	};

	if (ioctl(k->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_PMU_CAPABILITY) &
	    KVM_PMU_CAP_DISABLE)
		ioctl(k->vm_fd, KVM_ENABLE_CAP, &cap);
#endif
}

/* KVM gives guests the TSC rate that was known when its module was loaded, but
 * Linux measures it anew a second after it booted.  On a CPU that cannot scale,
 * a guest that gets the lesser one has a multiplier of 0 in KVM (x86.c,
 * set_tsc_khz() gives up): each of its timers is late by all that the TSC has
 * counted.  0 is the rate as it is known now; for a VM from Linux 5.19 on, before
 * that for each vCPU. */
bool kvm_set_tsc_rate(int fd)
{
	return ioctl(fd, KVM_SET_TSC_KHZ, 0) == 0;
}

static int set_chips(const struct kvm *k, struct err *err)
{
	/* the dummy speaker answers port 0x61, which Linux polls when it
	 * measures the TSC with the PIT */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(k->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_sys(err, errno, "kvm: irqchip");
	if (ioctl(k->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return err_sys(err, errno, "kvm: PIT");
	return 0;
}

int kvm_create(struct kvm *k, int kvm_fd, const struct guest_memory *m,
	       struct err *err)
{
	int size;

	*k = (struct kvm)KVM_INIT;
	k->fd = kvm_fd;
	size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return err_sys(err, errno, "kvm: size of the vCPU map");
	k->run_size = (size_t)size;
	/* interrupted by a signal, the kernel wants to be asked again */
	k->vm_fd = (int)TEMP_FAILURE_RETRY(ioctl(kvm_fd, KVM_CREATE_VM, 0));
	if (k->vm_fd < 0) {
		int sys = errno;

		err_sys(err, sys, "kvm: cannot create a VM");
		if (err && sys == EBUSY)
			err_hint(err, "another hypervisor (VirtualBox, VMware) "
				 "holds the CPU's virtualization: stop it");
		return -1;
	}
	k->tsc_deadline = vm_has(k, KVM_CAP_TSC_DEADLINE_TIMER);
	if (set_memory(k, m, err) < 0 || set_intel_pages(k, err) < 0)
		goto fail;
	disable_pmu(k);
	k->tsc_rate = kvm_set_tsc_rate(k->vm_fd);
	if (set_chips(k, err) < 0)
		goto fail;
	return 0;
fail:
	kvm_destroy(k);
	return -1;
}

void kvm_destroy(struct kvm *k)
{
	if (k->vm_fd >= 0)
		close(k->vm_fd);
	*k = (struct kvm)KVM_INIT;
}

const uint32_t *kvm_ioctls_running(size_t *n)
{
	static const uint32_t list[] = {
		KVM_RUN,
		KVM_KVMCLOCK_CTRL,	/* before a resume */
		KVM_GET_REGS,		/* where a guest crashed */
		/* a fork: the state, out of one VM ... */
		KVM_GET_SREGS, KVM_GET_XCRS, KVM_GET_XSAVE, KVM_GET_XSAVE2,
		KVM_GET_LAPIC, KVM_GET_MSRS, KVM_GET_MP_STATE,
		KVM_GET_DEBUGREGS, KVM_GET_VCPU_EVENTS, KVM_GET_DEVICE_ATTR,
		KVM_GET_IRQCHIP, KVM_GET_PIT2, KVM_GET_CLOCK,
		/* ... and into a new one */
		KVM_CREATE_VM, KVM_CHECK_EXTENSION, KVM_GET_VCPU_MMAP_SIZE,
		KVM_SET_USER_MEMORY_REGION, KVM_SET_IDENTITY_MAP_ADDR,
		KVM_SET_TSS_ADDR, KVM_ENABLE_CAP, KVM_CREATE_IRQCHIP,
		KVM_CREATE_PIT2, KVM_CREATE_VCPU, KVM_SET_CPUID2,
		KVM_SET_TSC_KHZ,
		KVM_SET_SREGS, KVM_SET_REGS, KVM_SET_XCRS, KVM_SET_XSAVE,
		KVM_SET_LAPIC, KVM_SET_MSRS, KVM_SET_MP_STATE,
		KVM_SET_DEBUGREGS, KVM_SET_VCPU_EVENTS, KVM_SET_DEVICE_ATTR,
		KVM_SET_IRQCHIP, KVM_SET_PIT2, KVM_SET_CLOCK,
		KVM_IRQFD, KVM_IOEVENTFD,
	};

	*n = ARRAY_SIZE(list);
	return list;
}

int kvm_bind_irq(const struct kvm *k, int fd, unsigned int gsi, struct err *err)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = gsi };

	if (ioctl(k->vm_fd, KVM_IRQFD, &irqfd) < 0)
		return err_sys(err, errno, "kvm: irqfd of GSI %u", gsi);
	return 0;
}

int kvm_bind_kick(const struct kvm *k, int fd, uint64_t gpa, uint32_t value,
		  struct err *err)
{
	struct kvm_ioeventfd io = {
		.datamatch = value,
		.addr = gpa,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (ioctl(k->vm_fd, KVM_IOEVENTFD, &io) < 0)
		return err_sys(err, errno, "kvm: ioeventfd at 0x%llx",
			       (unsigned long long)gpa);
	return 0;
}
