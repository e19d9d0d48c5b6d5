/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/chips.h - what a VM has besides vCPUs inside KVM
 *
 * Interrupt controllers, timer, clock: plain memory, as cpustate.h.
 */
#ifndef PODFLARE_VMM_X86_CHIPS_H
#define PODFLARE_VMM_X86_CHIPS_H

#include <linux/kvm.h>

#include "runner/vmm/kvm.h"
#include "runner/vmm/statefile.h"

#define CHIPS_IRQCHIPS 3	/* two PICs, IOAPIC */

struct chips {
	struct kvm_irqchip irqchips[CHIPS_IRQCHIPS];
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
};

/* All vCPUs are parked. Return: 0, or -1 with @err. */
int chips_save(struct chips *c, const struct kvm *k, struct err *err);
/* Before the vCPUs' own state. The guest's clock goes on where it stood.
 * Return: 0, or -1 with @err. */
int chips_restore(const struct chips *c, const struct kvm *k, struct err *err);

/* Sections "chips.*". Return: 0, or -1 with @err. */
void chips_put(const struct chips *c, struct statefile_writer *w);
int chips_get(struct chips *c, const struct statefile *f, struct err *err);

#endif
