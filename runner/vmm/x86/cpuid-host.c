/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpuid-host.c - whether two hosts' CPUs are the same to a guest
 *
 * Runs in podflare-vmm on the main thread.  Distrusts the set that comes from a
 * file: counts are bounded, text is cleaned.
 */
#include "runner/vmm/x86/cpuid.h"

/* SDM 2A and APM 3, CPUID: leaves that depend on which of the host's CPUs is
 * asked, or on what was switched on there.  Where there are two kinds of cores,
 * caches and TLBs differ, which no program's right working hangs on. */
static bool varies(const struct kvm_cpuid_entry2 *e)
{
	static const uint32_t leaves[] = {
		0x2, 0x4, 0x18, 0x80000005, 0x80000006, 0x80000019,
		0x8000001d,			/* caches, TLBs */
		0xb, 0x1f, 0x8000001e,		/* topology */
		0x1a,				/* kind of core */
	};

	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		if (e->function == leaves[i])
			return true;
	return false;
}

static struct kvm_cpuid_entry2 stable(const struct kvm_cpuid_entry2 *e)
{
	struct kvm_cpuid_entry2 s = *e;

	if (e->function == 1)
		s.ebx &= 0x00ffffff;	/* initial APIC id */
	if (e->function == 0xd)
		s.ebx = 0;		/* size of what XCR0 has on now */
	return s;
}

static const struct kvm_cpuid_entry2 *
find_entry(const struct cpuid_set *set, const struct kvm_cpuid_entry2 *like)
{
	for (uint32_t i = 0; i < set->nent && i < CPUID_ENTRIES; i++)
		if (set->entries[i].function == like->function &&
		    set->entries[i].index == like->index)
			return &set->entries[i];
	return NULL;
}

/* The brand string, leaves 0x80000002 to 4. @param name 49 bytes */
static void brand(const struct cpuid_set *set, char *name)
{
	memset(name, 0, 49);
	for (uint32_t i = 0; i < 3; i++) {
		const struct kvm_cpuid_entry2 like = {
			.function = 0x80000002 + i,
		}, *e = find_entry(set, &like);

		if (e)
			memcpy(name + 16 * i, &e->eax, 16);
	}
	for (char *c = name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

int cpuid_same_host(const struct cpuid_set *a, const struct cpuid_set *b,
		    struct err *err)
{
	char of_a[49], of_b[49];

	for (uint32_t i = 0; i < a->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &a->entries[i],
			*o = find_entry(b, e);
		struct kvm_cpuid_entry2 x = stable(e), y;

		if (varies(e))
			continue;
		if (o) {
			y = stable(o);
			if (memcmp(&x.eax, &y.eax, 16) == 0)
				continue;
		}
		brand(a, of_a);
		brand(b, of_b);
		return err_set(err, ERR_KVM, "it was made on another CPU: "
			       "%s, this is %s (CPUID leaf 0x%x.%u differs)",
			       of_a, of_b, e->function, e->index);
	}
	return 0;
}
