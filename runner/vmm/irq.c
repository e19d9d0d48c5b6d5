/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/irq.c - an interrupt line, as devices see it
 *
 * Owns the line's eventfd.  Runs in podflare-vmm, raised on any thread.
 */
#include "runner/vmm/irq.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int irq_init(struct irq_line *irq, struct err *err)
{
	irq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irq->fd < 0)
		return err_sys(err, errno, "interrupt line");
	return 0;
}

void irq_free(struct irq_line *irq)
{
	if (irq->fd >= 0)
		close(irq->fd);
	irq->fd = -1;
}

void irq_raise(const struct irq_line *irq)
{
	/* EAGAIN: the counter is at its maximum, the edge is there anyway */
	if (irq->fd >= 0)
		eventfd_write(irq->fd, 1);
}
