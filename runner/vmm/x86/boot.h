/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/boot.h - put a kernel into guest memory, ready to run
 */
#ifndef PODFLARE_VMM_X86_BOOT_H
#define PODFLARE_VMM_X86_BOOT_H

#include "common/err.h"
#include "runner/vmm/memory.h"
#include "runner/vmm/x86/cpu.h"

#define BOOT_INITRDS_MAX 4

struct boot_files {
	int kernel;		/* bzImage or vmlinux; not owned, nor are... */
	const int *initrds;	/* ... these; they are put one behind the other */
	unsigned int nr_initrds;
	const char *cmdline;
};

/*
 * Kernel, initrds, command line, zero page, page tables. The ACPI tables are
 * another matter (acpi.h).
 * @param entry where the boot processor is to start
 * Return: 0, or -1 with @err naming the file and what is wrong with it.
 */
int boot_load(const struct guest_memory *m, const struct boot_files *f,
	      struct cpu_entry *entry, struct err *err);

#endif
