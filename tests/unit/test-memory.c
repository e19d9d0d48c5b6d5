/* SPDX-License-Identifier: MIT */
/* tests/unit/test-memory.c - guest memory, buses and interrupt lines */
#include "runner/vmm/memory.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/vmm/bus.h"
#include "runner/vmm/irq.h"
#include "runner/vmm/x86/layout.h"
#include "tests/unit/unit.h"

static struct guest_memory make(uint64_t ram)
{
	struct err err = ERR_INIT;
	struct guest_memory m;

	if (memory_init(&m, ram, &err) < 0)
		fail_msg("%s", err.msg);
	return m;
}

static void small_ram_is_one_slot(void **state)
{
	struct guest_memory m = make(128 * MIB);

	assert_int_equal(m.nr_slots, 1);
	assert_ptr_equal(memory_ptr(&m, 0, 128 * MIB), m.map);
	assert_ptr_equal(memory_ptr(&m, 128 * MIB - 1, 1),
			 m.map + 128 * MIB - 1);
	assert_null(memory_ptr(&m, 128 * MIB - 1, 2));
	assert_null(memory_ptr(&m, 128 * MIB, 1));
	memory_free(&m);
}

static void large_ram_has_a_hole_below_4_gib(void **state)
{
	struct guest_memory m = make(16 * GIB);

	assert_int_equal(m.nr_slots, 2);
	assert_non_null(memory_ptr(&m, LAYOUT_HOLE_START - 1, 1));
	assert_null(memory_ptr(&m, LAYOUT_HOLE_START, 1));
	assert_null(memory_ptr(&m, LAYOUT_HOLE_END - 1, 1));
	assert_ptr_equal(memory_ptr(&m, LAYOUT_HOLE_END, 1),
			 m.map + LAYOUT_HOLE_START);
	assert_non_null(memory_ptr(&m, 17 * GIB - 1, 1));
	assert_null(memory_ptr(&m, 17 * GIB, 1));
	memory_free(&m);
}

static void no_range_reaches_over_a_slots_end(void **state)
{
	struct guest_memory m = make(4 * GIB);

	assert_null(memory_ptr(&m, LAYOUT_HOLE_START - 1, 2));
	assert_null(memory_ptr(&m, 0, 4 * GIB));
	assert_null(memory_ptr(&m, LAYOUT_HOLE_START - 4096, 2 * GIB));
	assert_null(memory_ptr(&m, LAYOUT_HOLE_END - 1, 2));
	memory_free(&m);
}

static void lengths_that_overflow_are_refused(void **state)
{
	struct guest_memory m = make(4 * GIB);

	assert_null(memory_ptr(&m, 4096, SIZE_MAX));
	assert_null(memory_ptr(&m, 4096, SIZE_MAX - 4095));
	assert_null(memory_ptr(&m, UINT64_MAX, 1));
	assert_null(memory_ptr(&m, UINT64_MAX, SIZE_MAX));
	assert_null(memory_ptr(&m, LAYOUT_HOLE_END, SIZE_MAX));
	memory_free(&m);
}

static void an_empty_range_is_nothing(void **state)
{
	struct guest_memory m = make(128 * MIB);

	assert_null(memory_ptr(&m, 0, 0));
	memory_free(&m);
	assert_null(memory_ptr(&m, 0, 1));
	memory_free(&m);
}

static void odd_sizes_are_refused(void **state)
{
	struct err err = ERR_INIT;
	struct guest_memory m;

	assert_int_equal(memory_init(&m, 4095, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(memory_init(&m, 0, &err), -1);
	memory_free(&m);
}

static void more_than_there_can_be_says_so(void **state)
{
	struct err err = ERR_INIT;
	struct guest_memory m;

	assert_int_equal(memory_init(&m, 1ULL << 47, &err), -1);
	assert_int_equal(err.code, ERR_NO_MEMORY);
	assert_string_not_equal(err.hint, "");
	memory_free(&m);
}

struct recorder {
	struct bus_region region;
	uint64_t off, value;
	unsigned int len, calls;
};

static void record_read(struct bus_region *r, uint64_t off, void *data,
			unsigned int len)
{
	struct recorder *d = container_of(r, struct recorder, region);

	d->off = off;
	d->len = len;
	d->calls++;
	memset(data, 0x5a, len);
}

static void record_write(struct bus_region *r, uint64_t off, const void *data,
			 unsigned int len)
{
	struct recorder *d = container_of(r, struct recorder, region);

	d->off = off;
	d->len = len;
	d->calls++;
	d->value = 0;
	memcpy(&d->value, data, len);
}

static const struct bus_ops record_ops = { record_read, record_write };

static void the_bus_finds_the_device(void **state)
{
	struct recorder a = { .region = { 0x100, 0x10, &record_ops } };
	struct recorder b = { .region = { 0x110, 0x10, &record_ops } };
	const uint32_t v = 0x11223344;
	struct bus bus = { 0 };
	uint16_t got = 0;

	bus_add(&bus, &a.region);
	bus_add(&bus, &b.region);
	assert_true(bus_write(&bus, 0x114, &v, 4));
	assert_int_equal(b.off, 4);
	assert_int_equal(b.value, v);
	assert_int_equal(a.calls, 0);
	assert_true(bus_read(&bus, 0x10e, &got, 2));
	assert_int_equal(a.off, 0xe);
	assert_int_equal(got, 0x5a5a);
}

static void accesses_over_a_devices_end_reach_nobody(void **state)
{
	struct recorder a = { .region = { 0x100, 0x10, &record_ops } };
	struct recorder b = { .region = { 0x110, 0x10, &record_ops } };
	struct bus bus = { 0 };
	uint64_t v = 0;

	bus_add(&bus, &a.region);
	bus_add(&bus, &b.region);
	assert_false(bus_read(&bus, 0x10e, &v, 4));
	assert_int_equal(v, 0xffffffff);
	assert_false(bus_write(&bus, 0x11d, &v, 4));
	assert_false(bus_write(&bus, 0xff, &v, 1));
	assert_false(bus_write(&bus, UINT64_MAX, &v, 8));
	assert_int_equal(a.calls + b.calls, 0);
}

static void odd_lengths_reach_nobody(void **state)
{
	struct recorder a = { .region = { 0x100, 0x10, &record_ops } };
	struct bus bus = { 0 };
	uint64_t v = 0;

	bus_add(&bus, &a.region);
	assert_false(bus_write(&bus, 0x100, &v, 3));
	assert_false(bus_write(&bus, 0x100, &v, 0));
	assert_false(bus_read(&bus, 0x100, &v, 5));
	assert_int_equal(v, 0xffffffffffULL);
	assert_int_equal(a.calls, 0);
}

static void each_edge_is_counted(void **state)
{
	struct irq_line irq = { .fd = -1 };
	struct err err = ERR_INIT;
	eventfd_t n;

	irq_raise(&irq);	/* not wired: nothing happens */
	assert_int_equal(irq_init(&irq, &err), 0);
	irq_raise(&irq);
	irq_raise(&irq);
	assert_int_equal(eventfd_read(irq.fd, &n), 0);
	assert_int_equal(n, 2);
	/* full: it does not block */
	assert_int_equal(eventfd_write(irq.fd, UINT64_MAX - 1), 0);
	irq_raise(&irq);
	irq_free(&irq);
	irq_free(&irq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_ram_is_one_slot),
		cmocka_unit_test(large_ram_has_a_hole_below_4_gib),
		cmocka_unit_test(no_range_reaches_over_a_slots_end),
		cmocka_unit_test(lengths_that_overflow_are_refused),
		cmocka_unit_test(an_empty_range_is_nothing),
		cmocka_unit_test(odd_sizes_are_refused),
		cmocka_unit_test(more_than_there_can_be_says_so),
		cmocka_unit_test(the_bus_finds_the_device),
		cmocka_unit_test(accesses_over_a_devices_end_reach_nobody),
		cmocka_unit_test(odd_lengths_reach_nobody),
		cmocka_unit_test(each_edge_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
