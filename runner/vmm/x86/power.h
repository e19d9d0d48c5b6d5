/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/power.h - power-off and reset registers
 *
 * Hardware-reduced ACPI (ACPI 6.4, 4.8.3.7 and 4.8.3.6): three byte registers
 * from LAYOUT_PM_BASE on, which the FADT names.
 */
#ifndef PODFLARE_VMM_X86_POWER_H
#define PODFLARE_VMM_X86_POWER_H

#include "runner/vmm/bus.h"
#include "runner/vmm/vcpu.h"

#define POWER_SLEEP_CONTROL 0	/* offsets from LAYOUT_PM_BASE */
#define POWER_SLEEP_STATUS 1
#define POWER_RESET 2
#define POWER_LEN 3
#define POWER_RESET_VALUE 1
#define POWER_S5 5		/* sleep type of "off" */

struct power {
	struct bus_region region;
	struct vcpu_env *env;	/* told of the end */
};

/* The region is ready for bus_add() after it. */
void power_init(struct power *p, struct vcpu_env *env);

#endif
