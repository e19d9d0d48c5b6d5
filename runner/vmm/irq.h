/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/irq.h - an interrupt line, as devices see it
 *
 * An eventfd that vm.c binds to a GSI of the in-kernel irqchip (irqfd): each
 * write is one edge.  Devices never see KVM; in a unit test it is a plain
 * eventfd.  The descriptor belongs to the process, not to the device's state:
 * vm.c makes a new one when the VM is rebuilt after fork(2).
 */
#ifndef PODFLARE_VMM_IRQ_H
#define PODFLARE_VMM_IRQ_H

#include "common/err.h"

struct irq_line {
	int fd;			/* eventfd, -1: not wired, raises are dropped */
};

/* Make the eventfd. Return: 0, or -1 with @err. */
int irq_init(struct irq_line *irq, struct err *err);
/* Close it; harmless when fd is -1. */
void irq_free(struct irq_line *irq);
/* One edge. Never blocks; any thread. */
void irq_raise(const struct irq_line *irq);

#endif
