/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/acpi.h - the tables that describe the machine to the guest
 *
 * RSDP, XSDT, FADT (hardware-reduced), MADT, DSDT at LAYOUT_ACPI.  The DSDT has
 * COM1 (PNP0501) and the virtio-mmio devices (LNRO0005).
 */
#ifndef PODFLARE_VMM_X86_ACPI_H
#define PODFLARE_VMM_X86_ACPI_H

#include "common/err.h"
#include "runner/vmm/memory.h"

struct acpi_machine {
	unsigned int cpus;
	unsigned int virtio;	/* devices, at most LAYOUT_VIRTIO_MAX */
};

/* Write the tables; the RSDP is at LAYOUT_ACPI. Return: 0, or -1 with @err. */
int acpi_write(const struct guest_memory *m, const struct acpi_machine *a,
	       struct err *err);

#endif
