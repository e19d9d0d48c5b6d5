/* SPDX-License-Identifier: MIT */
/* tests/unit/test-cpuid.c - what a vCPU says about itself */
#include "runner/vmm/x86/cpuid.h"

#include "tests/unit/unit.h"

#define INTEL 0x756e6547
#define AMD 0x68747541

static struct kvm_cpuid_entry2 *add(struct cpuid_set *s, uint32_t function,
				    uint32_t index)
{
	struct kvm_cpuid_entry2 *e = &s->entries[s->nent++];

	*e = (struct kvm_cpuid_entry2){
		.function = function, .index = index,
		.eax = ~0u, .ebx = ~0u, .ecx = ~0u, .edx = ~0u,
	};
	return e;
}

static struct kvm_cpuid_entry2 *find(struct cpuid_set *s, uint32_t function,
				     uint32_t index)
{
	for (uint32_t i = 0; i < s->nent; i++)
		if (s->entries[i].function == function &&
		    s->entries[i].index == index)
			return &s->entries[i];
	return NULL;
}

/* A host with everything set. */
static void make(struct cpuid_set *s, uint32_t vendor, uint32_t max)
{
	static const uint32_t leaves[] = {
		1, 6, 7, 0xa, 0xb, 0x12, 0x14, 0x1c, 0x1d, 0x1e, 0x1f, 0x23,
		0x40000001, 0x80000001, 0x80000007, 0x80000008, 0x8000000a,
		0x8000001e, 0x8000001f, 0x80000022, 0x80000026,
	};
	struct kvm_cpuid_entry2 *e;

	s->nent = 0;
	e = add(s, 0, 0);
	e->eax = max;
	e->ebx = vendor;
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		add(s, leaves[i], 0);
	for (uint32_t i = 0; i < 4; i++) {
		static const uint32_t caches[] = { 0x121, 0x122, 0x143, 0x163 };

		add(s, 4, i)->eax = caches[i] | 0xfffu << 14 | 0x3fu << 26;
		add(s, 0x8000001d, i)->eax = caches[i] | 0xfffu << 14;
	}
	add(s, 0xd, 0);
	add(s, 0xd, 1);
	add(s, 0xd, 11);
	add(s, 0xd, 17);
	add(s, 0xd, 18);
}

static void each_vcpu_has_its_apic_id(void **state)
{
	for (unsigned int id = 0; id < 6; id++) {
		struct cpuid_topology t = { .apic_id = id, .cpus = 6 };
		struct cpuid_set s;

		make(&s, INTEL, 0x1f);
		cpuid_adapt(&s, &t);
		assert_int_equal(find(&s, 1, 0)->ebx >> 24, id);
		assert_int_equal((find(&s, 1, 0)->ebx >> 16) & 0xff, 8);
		for (uint32_t i = 0; i < 3; i++) {
			assert_int_equal(find(&s, 0xb, i)->edx, id);
			assert_int_equal(find(&s, 0x1f, i)->edx, id);
		}
		assert_int_equal(find(&s, 0x8000001e, 0)->eax, id);
	}
}

static void the_topology_is_cores_of_one_socket(void **state)
{
	struct cpuid_topology t = { .apic_id = 3, .cpus = 6 };
	struct cpuid_set s;

	make(&s, INTEL, 0x1f);
	cpuid_adapt(&s, &t);
	assert_int_equal(find(&s, 0xb, 0)->ebx, 1);
	assert_int_equal(find(&s, 0xb, 0)->ecx, 0x100);
	assert_int_equal(find(&s, 0xb, 1)->eax, 3);
	assert_int_equal(find(&s, 0xb, 1)->ebx, 6);
	assert_int_equal(find(&s, 0xb, 1)->ecx, 0x201);
	assert_int_equal(find(&s, 0xb, 2)->ebx, 0);
	assert_true(find(&s, 1, 0)->edx & 1u << 28);
	/* own caches up to level 2, level 3 for all */
	assert_int_equal((find(&s, 4, 0)->eax >> 14) & 0xfff, 0);
	assert_int_equal((find(&s, 4, 2)->eax >> 14) & 0xfff, 0);
	assert_int_equal((find(&s, 4, 3)->eax >> 14) & 0xfff, 7);
	assert_int_equal(find(&s, 4, 0)->eax >> 26, 7);
	assert_int_equal(find(&s, 4, 0)->eax & 0x3fff, 0x121);
}

static void amd_counts_its_cores_elsewhere(void **state)
{
	struct cpuid_topology t = { .apic_id = 3, .cpus = 4 };
	struct cpuid_set s;

	make(&s, AMD, 0x10);
	cpuid_adapt(&s, &t);
	assert_int_equal(find(&s, 0x80000008, 0)->ecx, 2 << 12 | 3);
	assert_true(find(&s, 0x80000001, 0)->ecx & 1u << 1);
	assert_int_equal((find(&s, 0x8000001d, 3)->eax >> 14) & 0xfff, 3);
	assert_int_equal((find(&s, 0x8000001d, 0)->eax >> 14) & 0xfff, 0);
	assert_int_equal(find(&s, 0x8000001e, 0)->ebx, 3);
	assert_null(find(&s, 0x1f, 0));
}

static void one_cpu_is_not_multithreaded(void **state)
{
	struct cpuid_topology t = { .cpus = 1 };
	struct cpuid_set s;

	make(&s, AMD, 0x10);
	cpuid_adapt(&s, &t);
	assert_false(find(&s, 1, 0)->edx & 1u << 28);
	assert_false(find(&s, 0x80000001, 0)->ecx & 1u << 1);
	assert_int_equal(find(&s, 0x80000008, 0)->ecx, 0);
}

static void what_a_sandbox_must_not_have_is_gone(void **state)
{
	static const uint32_t gone[] = {
		0xa, 0x12, 0x14, 0x1c, 0x1d, 0x1e, 0x23, 0x8000000a,
		0x8000001f, 0x80000022, 0x80000026,
	};
	struct cpuid_topology t = { .cpus = 2 };
	struct cpuid_set s;

	make(&s, INTEL, 0x1f);
	cpuid_adapt(&s, &t);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		assert_null(find(&s, gone[i], 0));
	assert_false(find(&s, 1, 0)->ecx & 1u << 5);		/* VMX */
	assert_false(find(&s, 0x80000001, 0)->ecx & 1u << 2);	/* SVM */
	assert_false(find(&s, 7, 0)->ebx & 1u << 14);		/* MPX */
	assert_int_equal(find(&s, 0xd, 0)->eax & (3u << 17), 0);
	assert_int_equal(find(&s, 0xd, 17)->eax, 0);
	assert_int_equal(find(&s, 6, 0)->eax, 4);
	assert_false(find(&s, 7, 0)->ecx & 1u << 7);	/* shadow stacks */
	assert_false(find(&s, 7, 0)->edx & 1u << 20);
	assert_int_equal(find(&s, 0xd, 1)->ecx & (3u << 11), 0);
	assert_int_equal(find(&s, 0xd, 11)->eax, 0);
}

static void asynchronous_page_faults_are_not_offered(void **state)
{
	struct cpuid_topology t = { .cpus = 1 };
	struct cpuid_set s;

	make(&s, INTEL, 0x1f);
	cpuid_adapt(&s, &t);
	assert_int_equal(find(&s, 0x40000001, 0)->eax,
			 ~(1u << 4 | 1u << 10 | 1u << 14));
}

static void kvm_clock_is_the_best_clock(void **state)
{
	struct cpuid_topology t = { .cpus = 1 };
	struct cpuid_set s;

	make(&s, INTEL, 0x1f);
	cpuid_adapt(&s, &t);
	assert_false(find(&s, 0x80000007, 0)->edx & 1u << 8);
	assert_true(find(&s, 1, 0)->ecx & 1u << 31);
}

static void the_deadline_timer_follows_kvm(void **state)
{
	struct cpuid_topology t = { .cpus = 1, .tsc_deadline = true };
	struct cpuid_set s;

	make(&s, INTEL, 0x1f);
	find(&s, 1, 0)->ecx = 0;
	cpuid_adapt(&s, &t);
	assert_true(find(&s, 1, 0)->ecx & 1u << 24);
	t.tsc_deadline = false;
	make(&s, INTEL, 0x1f);
	cpuid_adapt(&s, &t);
	assert_false(find(&s, 1, 0)->ecx & 1u << 24);
}

static void a_full_table_is_not_written_past(void **state)
{
	struct cpuid_topology t = { .cpus = 8 };
	struct cpuid_set s;

	s.nent = 0;
	add(&s, 0, 0)->eax = 0x1f;
	while (s.nent < CPUID_ENTRIES)
		add(&s, 0x90000000 + s.nent, 0);
	cpuid_adapt(&s, &t);
	assert_int_equal(s.nent, CPUID_ENTRIES);
}

/* A snapshot made on an efficiency core is restored on a performance core. */
static void cores_of_two_kinds_are_one_host(void **state)
{
	static const uint32_t differ[] = { 0x4, 0xb, 0x1f, 0x8000001d };
	struct err err = ERR_INIT;
	struct cpuid_set a, b;

	make(&a, INTEL, 0x1f);
	make(&b, INTEL, 0x1f);
	for (size_t i = 0; i < ARRAY_SIZE(differ); i++)
		find(&b, differ[i], 0)->ebx ^= 0xff00;
	assert_int_equal(cpuid_same_host(&a, &b, &err), 0);
	find(&b, 7, 0)->ebx ^= 1;
	assert_int_equal(cpuid_same_host(&a, &b, &err), -1);
	assert_non_null(strstr(err.msg, "leaf 0x7.0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vcpu_has_its_apic_id),
		cmocka_unit_test(the_topology_is_cores_of_one_socket),
		cmocka_unit_test(amd_counts_its_cores_elsewhere),
		cmocka_unit_test(one_cpu_is_not_multithreaded),
		cmocka_unit_test(what_a_sandbox_must_not_have_is_gone),
		cmocka_unit_test(asynchronous_page_faults_are_not_offered),
		cmocka_unit_test(kvm_clock_is_the_best_clock),
		cmocka_unit_test(the_deadline_timer_follows_kvm),
		cmocka_unit_test(a_full_table_is_not_written_past),
		cmocka_unit_test(cores_of_two_kinds_are_one_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
