/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/power.h - power-off and reset registers
 *
 * Hardware-reduced ACPI (ACPI 6.4, 4.8.3.7 and 4.8.3.6): three byte registers
 * from LAYOUT_PM_BASE on, which the FADT names.  Two more ways to reset, for
 * kernels that do not ask ACPI: the keyboard controller's pulse, and the BIOS's
 * entry, which Linux (up to 6.1 at least) jumps to on a hardware-reduced
 * machine without EFI unless it is told "reboot=a".
 */
#ifndef PODFLARE_VMM_X86_POWER_H
#define PODFLARE_VMM_X86_POWER_H

#include "runner/vmm/bus.h"
#include "runner/vmm/memory.h"
#include "runner/vmm/vcpu.h"

#define POWER_SLEEP_CONTROL 0	/* offsets from LAYOUT_PM_BASE */
#define POWER_SLEEP_STATUS 1
#define POWER_RESET 2
#define POWER_LEN 3
#define POWER_RESET_VALUE 1
#define POWER_S5 5		/* sleep type of "off" */

struct power {
	struct bus_region region;
	struct bus_region i8042;	/* its status and command port alone */
	struct vcpu_env *env;	/* told of the end */
};

/* Both regions are ready for bus_add() after it. */
void power_init(struct power *p, struct vcpu_env *env);
/* Code that resets, where a PC begins. Return: 0, or -1 with @err. */
int power_write_reset_vector(const struct guest_memory *m, struct err *err);

#endif
