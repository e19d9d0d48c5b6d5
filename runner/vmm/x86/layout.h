/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/layout.h - the guest-physical address space and interrupts
 *
 *	0x00007000	zero page (struct boot_params)
 *	0x00008000	identity page tables of the boot processor (6 pages)
 *	0x00010000	GDT
 *	0x00020000	kernel command line
 *	0x00021000	setup data (random seed)
 *	0x000e0000	ACPI tables (RSDP first: Linux scans here as well)
 *	0x000ffff0	where a PC begins: code that resets (x86/power.h)
 *	0x00100000	RAM: kernel, initrd at the end of low RAM
 *	0xc0000000	hole: virtio-mmio, IOAPIC, LAPIC, KVM's own pages
 *	0x100000000	the rest of RAM
 */
#ifndef PODFLARE_VMM_X86_LAYOUT_H
#define PODFLARE_VMM_X86_LAYOUT_H

/* RAM */
#define LAYOUT_HOLE_START 0xc0000000ULL
#define LAYOUT_HOLE_END 0x100000000ULL
#define LAYOUT_LOW_END 0x9fc00ULL	/* of conventional memory */
#define LAYOUT_HIGH_START 0x100000ULL

/* what the boot processor finds */
#define LAYOUT_ZERO_PAGE 0x7000ULL
#define LAYOUT_PAGE_TABLES 0x8000ULL
#define LAYOUT_GDT 0x10000ULL
#define LAYOUT_CMDLINE 0x20000ULL
#define LAYOUT_CMDLINE_MAX 2048
#define LAYOUT_SETUP_DATA 0x21000ULL
#define LAYOUT_ACPI 0xe0000ULL
#define LAYOUT_ACPI_SIZE 0x10000ULL
#define LAYOUT_RESET_VECTOR 0xffff0ULL	/* f000:fff0 */

/* devices in the hole */
#define LAYOUT_VIRTIO_MMIO 0xd0000000ULL
#define LAYOUT_VIRTIO_MMIO_SIZE 0x1000ULL	/* of one device */
#define LAYOUT_VIRTIO_MAX 8
#define LAYOUT_VIRTIO_GSI 16	/* of the first; one each, edge, active high */
#define LAYOUT_IOAPIC 0xfec00000ULL
#define LAYOUT_LAPIC 0xfee00000ULL
#define LAYOUT_KVM_IDENTITY_MAP 0xfffbc000ULL	/* 1 page, Intel only */
#define LAYOUT_KVM_TSS 0xfffbd000ULL	/* 3 pages, Intel only */

/* ports */
#define LAYOUT_COM1 0x3f8
#define LAYOUT_COM1_GSI 4
#define LAYOUT_I8042_COMMAND 0x64
#define LAYOUT_PM_BASE 0x600	/* x86/power.h */

#endif
