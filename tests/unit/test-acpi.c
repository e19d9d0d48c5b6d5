/* SPDX-License-Identifier: MIT */
/* tests/unit/test-acpi.c - the ACPI tables, read as a guest would */
#include "runner/vmm/x86/acpi.h"

#include "runner/vmm/x86/aml.h"
#include "runner/vmm/x86/layout.h"
#include "tests/unit/unit.h"

struct tables {
	struct guest_memory mem;
	const uint8_t *xsdt, *fadt, *madt, *dsdt;
};

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* A table at a guest-physical address, checked. */
static const uint8_t *table(const struct guest_memory *m, uint64_t gpa,
			    const char *signature)
{
	const uint8_t *t = memory_ptr(m, gpa, 36);

	assert_non_null(t);
	assert_memory_equal(t, signature, 4);
	assert_non_null(memory_ptr(m, gpa, le32(t + 4)));
	assert_true(gpa >= LAYOUT_ACPI &&
		    gpa + le32(t + 4) <= LAYOUT_ACPI + LAYOUT_ACPI_SIZE);
	assert_int_equal(sum(t, le32(t + 4)), 0);
	return t;
}

static void make(struct tables *t, unsigned int cpus, unsigned int virtio)
{
	struct acpi_machine a = { .cpus = cpus, .virtio = virtio };
	struct err err = ERR_INIT;
	const uint8_t *rsdp;

	assert_int_equal(memory_init(&t->mem, 128 * MIB, &err), 0);
	assert_int_equal(acpi_write(&t->mem, &a, &err), 0);
	rsdp = memory_ptr(&t->mem, LAYOUT_ACPI, 36);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	t->xsdt = table(&t->mem, le64(rsdp + 24), "XSDT");
	assert_int_equal(le32(t->xsdt + 4), 36 + 16);
	t->fadt = table(&t->mem, le64(t->xsdt + 36), "FACP");
	t->madt = table(&t->mem, le64(t->xsdt + 44), "APIC");
	t->dsdt = table(&t->mem, le64(t->fadt + 140), "DSDT");
}

static unsigned int count(const uint8_t *table, const void *what, size_t n)
{
	unsigned int found = 0;

	for (size_t i = 36; i + n <= le32(table + 4); i++)
		found += memcmp(table + i, what, n) == 0;
	return found;
}

static void a_guest_finds_every_table(void **state)
{
	for (unsigned int cpus = 1; cpus <= 8; cpus++) {
		struct tables t;

		make(&t, cpus, cpus);
		memory_free(&t.mem);
	}
}

static void the_fadt_says_how_to_switch_off_and_reset(void **state)
{
	struct tables t;

	make(&t, 1, 1);
	assert_int_equal(le32(t.fadt + 4), 276);
	/* hardware-reduced, reset register, no fixed buttons */
	assert_int_equal(le32(t.fadt + 112), 1 << 20 | 1 << 10 | 3 << 4);
	assert_int_equal(t.fadt[116], 1);
	assert_int_equal(le64(t.fadt + 120), 0x602);
	assert_int_equal(t.fadt[128], 1);
	assert_int_equal(le64(t.fadt + 248), 0x600);
	assert_int_equal(le64(t.fadt + 260), 0x601);
	assert_int_equal(count(t.dsdt, "_S5_", 4), 1);
	memory_free(&t.mem);
}

static void the_fadt_says_that_there_is_no_i8042(void **state)
{
	struct tables t;

	make(&t, 1, 1);
	assert_int_equal(le16(t.fadt + 109) & 2, 0);
	memory_free(&t.mem);
}

static void the_madt_has_each_processor_and_the_ioapic(void **state)
{
	unsigned int lapics = 0, ioapics = 0;
	struct tables t;

	make(&t, 5, 1);
	assert_int_equal(le32(t.madt + 36), LAYOUT_LAPIC);
	for (size_t i = 44; i < le32(t.madt + 4); i += t.madt[i + 1]) {
		const uint8_t *e = t.madt + i;

		if (e[0] == 0) {
			assert_int_equal(e[3], lapics++);
			assert_int_equal(le32(e + 4), 1);
		} else {
			assert_int_equal(e[0], 1);
			assert_int_equal(le32(e + 4), LAYOUT_IOAPIC);
			ioapics++;
		}
	}
	assert_int_equal(lapics, 5);
	assert_int_equal(ioapics, 1);
	memory_free(&t.mem);
}

static void the_dsdt_has_each_device_with_its_address_and_interrupt(void **state)
{
	struct tables t;

	make(&t, 1, 6);
	assert_int_equal(count(t.dsdt, "LNRO0005", 9), 6);
	for (uint32_t i = 0; i < 6; i++) {
		/* Memory32Fixed, then the extended interrupt descriptor */
		uint8_t res[] = {
			0x86, 9, 0, 1, 0, (uint8_t)(i << 4), 0, 0xd0,
			0, 0x10, 0, 0,
			0x89, 6, 0, 3, 1, (uint8_t)(16 + i), 0, 0, 0,
		};

		assert_int_equal(count(t.dsdt, res, sizeof(res)), 1);
	}
	memory_free(&t.mem);
}

static void com1_has_its_ports_and_interrupt(void **state)
{
	/* EisaId("PNP0501"); IO(0x3f8, 8); Interrupt {4} */
	static const uint8_t hid[] = { 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	static const uint8_t res[] = {
		0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x89, 6, 0, 3, 1, 4, 0, 0, 0,
	};
	struct tables t;

	make(&t, 1, 0);
	assert_int_equal(count(t.dsdt, hid, sizeof(hid)), 1);
	assert_int_equal(count(t.dsdt, res, sizeof(res)), 1);
	memory_free(&t.mem);
}

static void a_full_aml_buffer_is_not_written_past(void **state)
{
	uint8_t data[16] = { 0 };
	struct aml a = { .data = data, .room = 8 };
	struct aml_mark m = aml_scope(&a, "_SB_");

	aml_name_string(&a, "_HID", "LNRO0005");
	aml_close(&a, m);
	assert_true(a.full);
	assert_int_equal(data[8], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_finds_every_table),
		cmocka_unit_test(the_fadt_says_how_to_switch_off_and_reset),
		cmocka_unit_test(the_fadt_says_that_there_is_no_i8042),
		cmocka_unit_test(the_madt_has_each_processor_and_the_ioapic),
		cmocka_unit_test(
			the_dsdt_has_each_device_with_its_address_and_interrupt),
		cmocka_unit_test(com1_has_its_ports_and_interrupt),
		cmocka_unit_test(a_full_aml_buffer_is_not_written_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
