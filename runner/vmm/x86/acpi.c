/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/acpi.c - the tables that describe the machine to the guest
 *
 * Runs in podflare-vmm on the main thread, before the guest starts; nothing
 * comes from outside.  Sections are those of ACPI 6.4.
 */
#include "runner/vmm/x86/acpi.h"

#include <stdio.h>

#include "runner/vmm/x86/aml.h"
#include "runner/vmm/x86/layout.h"
#include "runner/vmm/x86/power.h"

/* 5.2.6 */
struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

/* 5.2.5.3 */
struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

/* 5.2.3.2, generic address structure */
struct gas {
	uint8_t space;		/* 1: system I/O */
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access;		/* 1: byte */
	uint64_t address;
} __attribute__((packed));

/* 5.2.9; what a hardware-reduced machine does not have stays zero */
struct fadt {
	struct header h;
	uint32_t facs, dsdt;
	uint8_t skipped1[65];	/* offsets 44 to 108 */
	uint16_t iapc_boot_arch;	/* offset 109 */
	uint8_t reserved1;
	uint32_t flags;		/* offset 112 */
	struct gas reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_facs, x_dsdt;
	uint8_t skipped2[96];	/* offsets 148 to 243 */
	struct gas sleep_control, sleep_status;
	uint64_t hypervisor;	/* vendor identity */
} __attribute__((packed));

_Static_assert(offsetof(struct fadt, iapc_boot_arch) == 109, "FADT");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "FADT");
_Static_assert(sizeof(struct fadt) == 276, "FADT");

/* IAPC_BOOT_ARCH, 5.2.9.3. Bit 1 (8042) is not set: nothing probes for one. */
#define BOOT_NO_VGA (1u << 2)
#define BOOT_NO_CMOS_RTC (1u << 5)
/* no power and sleep buttons in fixed hardware, which there is none of */
#define FADT_NO_BUTTONS (1u << 4 | 1u << 5)
#define FADT_RESET_REG (1u << 10)
#define FADT_HW_REDUCED (1u << 20)

/* Writes tables one behind the other. */
struct writer {
	uint8_t *base;
	size_t used, room;
};

static uint8_t checksum(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (n--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static struct header header(const char *signature, uint8_t revision)
{
	struct header h = {
		.revision = revision,
		.oem_revision = 1,
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, 4);
	memcpy(h.oem_id, "PODFLR", 6);
	memcpy(h.oem_table_id, "PODFLARE", 8);
	memcpy(h.creator_id, "PODF", 4);
	return h;
}

/* Complete the table of @len bytes at the writer's end.
 * Return: its guest-physical address. */
static uint64_t finish(struct writer *w, size_t len)
{
	struct header *h = (void *)(w->base + w->used);
	uint64_t gpa = LAYOUT_ACPI + w->used;

	h->length = (uint32_t)len;
	h->checksum = 0;
	h->checksum = checksum(h, len);
	w->used = ALIGN_UP(w->used + len, (size_t)16);
	BUG_ON(w->used > w->room);
	return gpa;
}

static void add_com1(struct aml *a)
{
	struct aml_mark dev = aml_device(a, "COM1");
	struct aml_resources crs;

	aml_name_eisa(a, "_HID", "PNP0501");
	aml_name_integer(a, "_UID", 0);
	crs = aml_crs(a);
	aml_io(a, LAYOUT_COM1, 8);
	aml_interrupt(a, LAYOUT_COM1_GSI);
	aml_crs_close(a, crs);
	aml_close(a, dev);
}

static void add_virtio(struct aml *a, unsigned int i)
{
	struct aml_resources crs;
	struct aml_mark dev;
	char name[16];

	snprintf(name, sizeof(name), "V%03u", i);
	dev = aml_device(a, name);
	aml_name_string(a, "_HID", "LNRO0005");
	aml_name_integer(a, "_UID", i);
	aml_name_integer(a, "_CCA", 1);	/* cache-coherent */
	crs = aml_crs(a);
	aml_memory32(a, (uint32_t)(LAYOUT_VIRTIO_MMIO +
				   i * LAYOUT_VIRTIO_MMIO_SIZE),
		     LAYOUT_VIRTIO_MMIO_SIZE);
	aml_interrupt(a, LAYOUT_VIRTIO_GSI + i);
	aml_crs_close(a, crs);
	aml_close(a, dev);
}

static uint64_t write_dsdt(struct writer *w, const struct acpi_machine *m)
{
	struct header h = header("DSDT", 2);
	struct aml a = { .data = w->base + w->used, .room = w->room - w->used };
	struct aml_mark sb;

	aml_bytes(&a, &h, sizeof(h));
	sb = aml_scope(&a, "_SB_");
	add_com1(&a);
	for (unsigned int i = 0; i < m->virtio; i++)
		add_virtio(&a, i);
	aml_close(&a, sb);
	/* the sleep type that Linux writes to switch off; no other exists */
	aml_name_package4(&a, "_S5_", (const uint8_t[4]){ POWER_S5, 0, 0, 0 });
	BUG_ON(a.full);
	return finish(w, a.len);
}

static struct gas port(uint64_t address)
{
	return (struct gas){
		.space = 1, .bit_width = 8, .access = 1, .address = address,
	};
}

static uint64_t write_fadt(struct writer *w, uint64_t dsdt)
{
	struct fadt f = {
		.h = header("FACP", 6),
		.dsdt = (uint32_t)dsdt,
		.x_dsdt = dsdt,
		.minor_version = 4,
		.iapc_boot_arch = BOOT_NO_VGA | BOOT_NO_CMOS_RTC,
		.flags = FADT_NO_BUTTONS | FADT_RESET_REG | FADT_HW_REDUCED,
		.reset = port(LAYOUT_PM_BASE + POWER_RESET),
		.reset_value = POWER_RESET_VALUE,
		.sleep_control = port(LAYOUT_PM_BASE + POWER_SLEEP_CONTROL),
		.sleep_status = port(LAYOUT_PM_BASE + POWER_SLEEP_STATUS),
	};

	memcpy(w->base + w->used, &f, sizeof(f));
	return finish(w, sizeof(f));
}

/* 5.2.12: local APICs and the I/O APIC. ISA interrupts are where they are
 * numbered: a hardware-reduced machine has no override. */
static uint64_t write_madt(struct writer *w, const struct acpi_machine *m)
{
	struct header h = header("APIC", 5);
	struct aml a = { .data = w->base + w->used, .room = w->room - w->used };

	aml_bytes(&a, &h, sizeof(h));
	aml_u32(&a, LAYOUT_LAPIC);
	aml_u32(&a, 0);			/* flags: no 8259 to be masked */
	for (unsigned int i = 0; i < m->cpus; i++) {
		aml_u8(&a, 0);		/* processor local APIC */
		aml_u8(&a, 8);
		aml_u8(&a, (uint8_t)i);	/* processor uid */
		aml_u8(&a, (uint8_t)i);	/* APIC id */
		aml_u32(&a, 1);		/* enabled */
	}
	aml_u8(&a, 1);			/* I/O APIC */
	aml_u8(&a, 12);
	aml_u8(&a, 0);			/* its id */
	aml_u8(&a, 0);
	aml_u32(&a, LAYOUT_IOAPIC);
	aml_u32(&a, 0);			/* first GSI */
	BUG_ON(a.full);
	return finish(w, a.len);
}

static uint64_t write_xsdt(struct writer *w, uint64_t fadt, uint64_t madt)
{
	struct header h = header("XSDT", 1);
	uint8_t *at = w->base + w->used;

	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), &fadt, sizeof(fadt));
	memcpy(at + sizeof(h) + 8, &madt, sizeof(madt));
	return finish(w, sizeof(h) + 16);
}

int acpi_write(const struct guest_memory *m, const struct acpi_machine *a,
	       struct err *err)
{
	struct writer w = {
		.base = memory_ptr(m, LAYOUT_ACPI, LAYOUT_ACPI_SIZE),
		.used = ALIGN_UP(sizeof(struct rsdp), (size_t)16),
		.room = LAYOUT_ACPI_SIZE,
	};
	struct rsdp rsdp = { .revision = 2, .length = sizeof(rsdp) };
	uint64_t dsdt;

	if (!w.base)
		return err_set(err, ERR_USAGE, "memory: too small to boot");
	BUG_ON(a->virtio > LAYOUT_VIRTIO_MAX);
	dsdt = write_dsdt(&w, a);
	rsdp.xsdt = write_fadt(&w, dsdt);
	rsdp.xsdt = write_xsdt(&w, rsdp.xsdt, write_madt(&w, a));
	memcpy(rsdp.signature, "RSD PTR ", 8);
	memcpy(rsdp.oem_id, "PODFLR", 6);
	/* the first sum is over the 20 bytes of ACPI 1.0 */
	rsdp.checksum = checksum(&rsdp, 20);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(w.base, &rsdp, sizeof(rsdp));
	return 0;
}
