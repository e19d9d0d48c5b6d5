/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpu.c - a vCPU's state before its first instruction
 *
 * Runs in podflare-vmm on the main thread, while the vCPU's own thread does not
 * run yet or is parked.  Linux's 64-bit boot protocol
 * (Documentation/arch/x86/boot.rst) says what has to be in place.
 */
#include "runner/vmm/x86/cpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "runner/vmm/x86/cpuid.h"
#include "runner/vmm/x86/layout.h"

/* selectors of the boot protocol: __BOOT_CS, __BOOT_DS; and a TSS, for Intel
 * refuses to enter a guest whose TR is not a busy 64-bit TSS */
#define SEL_CODE 0x10
#define SEL_DATA 0x18
#define SEL_TSS 0x20

#define CR0_PE (1ULL << 0)
#define CR0_ET (1ULL << 4)
#define CR0_NE (1ULL << 5)
#define CR0_PG (1ULL << 31)
#define CR4_PAE (1ULL << 5)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)
#define PTE_PRESENT_WRITE 0x3ULL
#define PTE_LARGE 0x80ULL

#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING (1ULL << 0)
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE (1ULL << 11)
#define MTRR_WRITE_BACK 6ULL

#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LVT_MODE_NMI (4u << 8)
#define LVT_MODE_EXTINT (7u << 8)

int cpu_write_tables(const struct guest_memory *m, struct err *err)
{
	static const uint64_t gdt[] = {
		0, 0,
		0x00af9b000000ffff,	/* SEL_CODE: 64-bit, execute/read */
		0x00cf93000000ffff,	/* SEL_DATA: read/write, flat */
		0x00008b000000ffff, 0,	/* SEL_TSS: 64-bit, busy */
	};
	uint64_t *table = memory_ptr(m, LAYOUT_PAGE_TABLES, 6 * 4096);
	void *at = memory_ptr(m, LAYOUT_GDT, sizeof(gdt));

	if (!table || !at)
		return err_set(err, ERR_USAGE, "memory: too small to boot");
	memcpy(at, gdt, sizeof(gdt));
	memset(table, 0, 6 * 4096);
	/* PML4, PDPT, four page directories of 2 MiB pages */
	table[0] = (LAYOUT_PAGE_TABLES + 4096) | PTE_PRESENT_WRITE;
	for (uint64_t i = 0; i < 4; i++)
		table[512 + i] = (LAYOUT_PAGE_TABLES + (2 + i) * 4096) |
				 PTE_PRESENT_WRITE;
	for (uint64_t i = 0; i < 4 * 512; i++)
		table[2 * 512 + i] = (i << 21) | PTE_LARGE | PTE_PRESENT_WRITE;
	return 0;
}

int cpu_set_cpuid(const struct vcpu *v, const struct kvm *k, unsigned int cpus,
		  const struct cpuid_set *supported, struct err *err)
{
	struct cpuid_topology t = {
		.apic_id = v->id,
		.cpus = cpus,
		.tsc_deadline = k->tsc_deadline,
	};
	struct cpuid_set set = *supported;

	cpuid_adapt(&set, &t);
	if (ioctl(v->fd, KVM_SET_CPUID2, &set) < 0)
		return err_sys(err, errno, "vCPU %u: CPUID", v->id);
	return 0;
}

/* Both are what firmware would leave behind. Neither is worth a failure: some
 * emulations have no such register. */
static void set_msrs(const struct vcpu *v)
{
	struct {
		uint32_t nmsrs, pad;
		struct kvm_msr_entry e[1];
	} m = { .nmsrs = 1 };	/* struct kvm_msrs, with room for one */

	_Static_assert(offsetof(__typeof__(m), e) ==
		       offsetof(struct kvm_msrs, entries), "struct kvm_msrs");

	/* Linux turns its fast string copies off when firmware did */
	m.e[0].index = MSR_MISC_ENABLE;
	if (ioctl(v->fd, KVM_GET_MSRS, &m) == 1) {
		m.e[0].data |= MISC_ENABLE_FAST_STRING;
		ioctl(v->fd, KVM_SET_MSRS, &m);
	}
	/* with MTRRs off Linux does without the PAT as well */
	m.e[0].index = MSR_MTRR_DEF_TYPE;
	m.e[0].data = MTRR_ENABLE | MTRR_WRITE_BACK;
	ioctl(v->fd, KVM_SET_MSRS, &m);
}

/* SDM 3A 11.5.1; virtual wire mode as the MP specification wants it. */
static int set_local_pins(const struct vcpu *v, struct err *err)
{
	struct kvm_lapic_state s;
	uint32_t lint0 = LVT_MODE_EXTINT, lint1 = LVT_MODE_NMI;

	if (ioctl(v->fd, KVM_GET_LAPIC, &s) < 0)
		return err_sys(err, errno, "vCPU %u: reading the LAPIC", v->id);
	memcpy(s.regs + LAPIC_LVT_LINT0, &lint0, sizeof(lint0));
	memcpy(s.regs + LAPIC_LVT_LINT1, &lint1, sizeof(lint1));
	if (ioctl(v->fd, KVM_SET_LAPIC, &s) < 0)
		return err_sys(err, errno, "vCPU %u: setting the LAPIC", v->id);
	return 0;
}

int cpu_setup(const struct vcpu *v, const struct kvm *k, unsigned int cpus,
	      const struct cpuid_set *supported, struct err *err)
{
	if (cpu_set_cpuid(v, k, cpus, supported, err) < 0)
		return -1;
	set_msrs(v);
	return set_local_pins(v, err);
}

static void set_segments(struct kvm_sregs *s)
{
	struct kvm_segment code = {
		.limit = ~0u, .selector = SEL_CODE, .type = 0xb, .present = 1,
		.s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = ~0u, .selector = SEL_DATA, .type = 0x3, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
	struct kvm_segment tss = {
		.limit = 0xffff, .selector = SEL_TSS, .type = 0xb, .present = 1,
	};

	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = tss;
	s->gdt.base = LAYOUT_GDT;
	s->gdt.limit = 6 * 8 - 1;
	s->idt.base = 0;
	s->idt.limit = 0;
}

int cpu_enter_at(const struct vcpu *v, const struct cpu_entry *e,
		 struct err *err)
{
	struct kvm_regs regs = {
		.rflags = 0x2,	/* interrupts off; bit 1 is always set */
		.rip = e->rip,
		.rsi = e->rsi,
	};
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs s;

	if (ioctl(v->fd, KVM_GET_SREGS, &s) < 0)
		return err_sys(err, errno, "vCPU %u: reading registers", v->id);
	set_segments(&s);
	s.cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
	s.cr3 = LAYOUT_PAGE_TABLES;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LMA | EFER_LME;
	if (ioctl(v->fd, KVM_SET_SREGS, &s) < 0 ||
	    ioctl(v->fd, KVM_SET_REGS, &regs) < 0 ||
	    ioctl(v->fd, KVM_SET_MP_STATE, &mp) < 0)
		return err_sys(err, errno, "vCPU %u: setting registers", v->id);
	return 0;
}

void cpu_clock_was_stopped(const struct vcpu *v)
{
	/* EINVAL: the guest has no kvm-clock (yet) */
	ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0);
}
