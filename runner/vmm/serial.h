/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/serial.h - 16550A serial port (COM1)
 *
 * Output is handed on byte by byte; input waits in a FIFO.  State is plain
 * memory: no descriptor is in here but the interrupt line's, which vm.c owns.
 */
#ifndef PODFLARE_VMM_SERIAL_H
#define PODFLARE_VMM_SERIAL_H

#include <pthread.h>

#include "runner/vmm/bus.h"
#include "runner/vmm/irq.h"
#include "runner/vmm/statefile.h"

#define SERIAL_LEN 8		/* ports */
#define SERIAL_FIFO 256		/* bytes of input; more than the chip's 16, so
				 * that pasted text costs fewer wake-ups */

struct serial {
	struct bus_region region;
	const struct irq_line *irq;
	/* A byte was sent. Locked, vCPU thread; must not call back. */
	void (*output)(void *arg, uint8_t byte);
	/* The FIFO has run empty after serial_input() had to refuse bytes.
	 * Locked, vCPU thread; must not call back. */
	void (*drained)(void *arg);
	void *arg;

	pthread_mutex_t lock;		/* guards all below */
	uint8_t ier, lcr, mcr, scr, dll, dlm;
	bool fifo_on;
	bool thre_pending;		/* transmitter empty, not yet told */
	bool refused;			/* input had to wait outside */
	unsigned int head, len;		/* of the FIFO */
	uint8_t fifo[SERIAL_FIFO];
};

/* @param irq outlives the port. The region is ready for bus_add() at @base. */
void serial_init(struct serial *s, uint64_t base, const struct irq_line *irq,
		 void (*output)(void *arg, uint8_t byte),
		 void (*drained)(void *arg), void *arg);
/* Bytes typed at the console. Any thread.
 * Return: how many were taken; if not all, drained() will come. */
size_t serial_input(struct serial *s, const void *data, size_t n);
/* Raise the interrupt again if one is pending: after the line was made anew. */
void serial_kick(struct serial *s);
/* Section "serial": put, and get into a fresh port. Return: 0, -1 with @err. */
void serial_put(const struct serial *s, struct statefile_writer *w);
int serial_get(struct serial *s, const struct statefile *f, struct err *err);

#endif
