/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpuid.c - what a vCPU says about itself
 *
 * Pure functions over a table, no state.  Run in podflare-vmm, main thread.
 * Leaf and bit numbers: Intel SDM volume 2 (CPUID), AMD APM volume 3 appendix
 * E, Linux Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "runner/vmm/x86/cpuid.h"

#include <cpuid.h>
#include <errno.h>
#include <sys/ioctl.h>

#define BIT(n) (1u << (n))

_Static_assert(offsetof(struct cpuid_set, entries) ==
	       offsetof(struct kvm_cpuid2, entries), "struct kvm_cpuid2");

/* Leaves that are left out as a whole; a guest then reads zeroes. */
static const uint32_t dropped[] = {
	0xa,		/* PMU: a side channel, and state to carry */
	0xb, 0x1f,	/* topology: made by add_topology() */
	0x12,		/* SGX */
	0x14,		/* processor trace */
	0x1c,		/* last branch records */
	0x1d, 0x1e,	/* AMX: 8 KiB more state per vCPU in every fork */
	0x23,		/* PMU, extended */
	0x8000000a,	/* SVM: no nested virtualization */
	0x8000001f,	/* SEV */
	0x80000022,	/* PMU, AMD */
	0x80000026,	/* topology, AMD: that in 0xb is enough */
};

int cpuid_supported(int kvm_fd, struct cpuid_set *set, struct err *err)
{
	set->nent = CPUID_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, set) < 0)
		return err_sys(err, errno, "kvm: supported CPUID");
	return 0;
}

static bool is_amd(const struct cpuid_set *set)
{
	for (uint32_t i = 0; i < set->nent; i++)
		if (set->entries[i].function == 0)
			return set->entries[i].ebx == 0x68747541 || /* Auth */
			       set->entries[i].ebx == 0x6f677948;   /* Hygo */
	return false;
}

static uint32_t max_basic(const struct cpuid_set *set)
{
	for (uint32_t i = 0; i < set->nent; i++)
		if (set->entries[i].function == 0)
			return set->entries[i].eax;
	return 0;
}

/* Bits of the APIC id that number the cores of the one socket. */
static uint32_t core_bits(const struct cpuid_topology *t)
{
	uint32_t bits = 0;

	while (BIT(bits) < t->cpus)
		bits++;
	return bits;
}

static void drop_leaves(struct cpuid_set *set)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < set->nent; i++) {
		bool drop = false;

		for (size_t j = 0; j < ARRAY_SIZE(dropped); j++)
			drop |= set->entries[i].function == dropped[j];
		if (!drop)
			set->entries[kept++] = set->entries[i];
	}
	set->nent = kept;
}

static void fix_features(struct kvm_cpuid_entry2 *e,
			 const struct cpuid_topology *t)
{
	e->ebx &= 0xffff;
	e->ebx |= t->apic_id << 24;		/* initial APIC id */
	e->ebx |= BIT(core_bits(t)) << 16;	/* ids in this package */
	e->ecx &= ~BIT(5);			/* VMX */
	e->ecx &= ~BIT(15);			/* PDCM: PMU capabilities */
	e->ecx |= BIT(31);			/* hypervisor */
	/* never in the supported set, though the in-kernel LAPIC does it; without
	 * it Linux has to measure the LAPIC timer */
	e->ecx &= ~BIT(24);
	if (t->tsc_deadline)
		e->ecx |= BIT(24);
	e->edx &= ~BIT(28);			/* HTT: ids in EBX are valid */
	if (t->cpus > 1)
		e->edx |= BIT(28);
}

static void fix_extended_features(struct kvm_cpuid_entry2 *e)
{
	if (e->index != 0)
		return;
	e->ebx &= ~BIT(2);			/* SGX */
	e->ebx &= ~BIT(14);			/* MPX: gone from Linux */
	e->ebx &= ~BIT(25);			/* processor trace */
	e->ecx &= ~BIT(30);			/* SGX launch control */
	/* CET, from Linux 6.18 on: the shadow stack's pointer is in no struct
	 * and no MSR that a copy could be made from */
	e->ecx &= ~BIT(7);			/* shadow stacks */
	e->edx &= ~BIT(20);			/* branch tracking */
	e->edx &= ~BIT(19);			/* arch LBR */
	e->edx &= ~(BIT(22) | BIT(24) | BIT(25));	/* AMX */
}

/* Caches up to level 2 belong to one core, those above to the socket. Intel
 * leaf 4 and AMD leaf 0x8000001d agree in these fields. */
static void fix_caches(struct kvm_cpuid_entry2 *e,
		       const struct cpuid_topology *t, bool cores)
{
	uint32_t type = e->eax & 0x1f, level = (e->eax >> 5) & 7;
	uint32_t last = BIT(core_bits(t)) - 1;

	if (type == 0)
		return;
	e->eax &= 0x3fff;
	e->eax |= (level >= 3 ? last : 0) << 14;	/* ids sharing it - 1 */
	if (cores)
		e->eax |= last << 26;			/* cores - 1 */
}

/* Whether our own CPU is QEMU's, in software. */
static bool is_emulated(void)
{
	uint32_t a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & BIT(31)))	/* no hypervisor: its leaves are undefined */
		return false;
	__cpuid(0x40000000, a, b, c, d);
	return b == 0x54474354;	/* "TCGT" */
}

static void fix_kvm_features(struct kvm_cpuid_entry2 *e)
{
	/* Asynchronous page faults strand tasks in a restored or forked guest:
	 * a "page ready" of the old VM never comes. */
	e->eax &= ~(BIT(4) | BIT(10) | BIT(14));
	/* From an injection to the next exit, QEMU may deliver an interrupt a
	 * second time, into its own handler: when it counts instructions, at
	 * each timer of its own.  Without PV EOI the handler's first act is
	 * an exit; with it, it holds locks by then, and takes them again. */
	if (is_emulated())
		e->eax &= ~BIT(6);
}

static void fix_entry(struct kvm_cpuid_entry2 *e,
		      const struct cpuid_topology *t, bool amd)
{
	switch (e->function) {
	case 0x1:
		fix_features(e, t);
		break;
	case 0x4:
		fix_caches(e, t, true);
		break;
	case 0x6:
		e->eax &= BIT(2);	/* ARAT; no turbo, no HWP */
		e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x7:
		fix_extended_features(e);
		break;
	case 0xd:
		if (e->index == 0)
			e->eax &= ~(BIT(17) | BIT(18));	/* AMX */
		else if (e->index == 1)
			e->ecx &= ~(BIT(11) | BIT(12));	/* CET */
		else if (e->index == 11 || e->index == 12 ||
			 e->index == 17 || e->index == 18)
			e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x40000001:
		fix_kvm_features(e);
		break;
	case 0x80000001:
		e->ecx &= ~BIT(2);			/* SVM */
		e->ecx &= ~(BIT(23) | BIT(24) | BIT(28)); /* PMU */
		e->ecx &= ~BIT(1);			/* CmpLegacy */
		if (amd && t->cpus > 1)
			e->ecx |= BIT(1);
		break;
	case 0x80000007:
		/* An invariant TSC would make Linux prefer it to kvm-clock,
		 * and only kvm-clock survives a restore on another host or a
		 * fork with the right time. */
		e->edx &= ~BIT(8);
		break;
	case 0x80000008:
		if (amd)
			e->ecx = (core_bits(t) << 12) | (t->cpus - 1);
		break;
	case 0x8000001d:
		fix_caches(e, t, false);
		break;
	case 0x8000001e:
		e->eax = t->apic_id;
		e->ebx = t->apic_id;	/* core id; one thread per core */
		e->ecx = 0;		/* node 0 of 1 */
		break;
	}
}

/* SDM: leaf 0xb. Level 0: threads of a core, level 1: cores of the package,
 * level 2: the end. EDX is the x2APIC id in all of them. */
static void add_topology(struct cpuid_set *set, const struct cpuid_topology *t,
			 uint32_t function)
{
	const struct kvm_cpuid_entry2 levels[] = {
		{ .eax = 0, .ebx = 1, .ecx = (1 << 8) | 0 },
		{ .eax = core_bits(t), .ebx = t->cpus, .ecx = (2 << 8) | 1 },
		{ .eax = 0, .ebx = 0, .ecx = 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		struct kvm_cpuid_entry2 *e;

		if (set->nent == CPUID_ENTRIES)
			return;
		e = &set->entries[set->nent++];
		*e = levels[i];
		e->function = function;
		e->index = (uint32_t)i;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e->edx = t->apic_id;
	}
}

void cpuid_adapt(struct cpuid_set *set, const struct cpuid_topology *t)
{
	bool amd = is_amd(set);

	drop_leaves(set);
	for (uint32_t i = 0; i < set->nent; i++)
		fix_entry(&set->entries[i], t, amd);
	if (max_basic(set) >= 0xb)
		add_topology(set, t, 0xb);
	if (max_basic(set) >= 0x1f && !amd)
		add_topology(set, t, 0x1f);
}
