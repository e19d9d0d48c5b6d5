/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/serial.c - 16550A serial port (COM1)
 *
 * Owns the port's registers and input FIFO.  Registers are accessed on the vCPU
 * threads, input comes on the main thread; one lock.  Distrusts the guest: all
 * registers are a byte wide, unknown bits are kept and mean nothing.
 *
 * Theory of operation: the transmitter is always empty, each byte is handed on
 * at once.  The interrupt is an edge (ISA): it is raised whenever a cause that
 * is enabled comes up, and again while input remains after a read, for the
 * driver may have acknowledged the edge before it looked.  An edge too many is
 * harmless, one too few hangs a terminal.
 */
#include "runner/vmm/serial.h"

#include <string.h>

#include "common/util.h"

/* National PC16550D data sheet, table II */
enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR,
       REG_SCR };

#define IER_RX 0x01
#define IER_THRE 0x02
#define IIR_NONE 0x01
#define IIR_THRE 0x02
#define IIR_RX 0x04
#define IIR_FIFO 0xc0
#define FCR_ENABLE 0x01
#define FCR_CLEAR_RX 0x02
#define LCR_DLAB 0x80
#define MCR_LOOP 0x10
#define LSR_DATA 0x01
#define LSR_THRE 0x20
#define LSR_IDLE 0x40
#define MSR_READY 0xb0		/* carrier, data set ready, clear to send */

static uint8_t pending(const struct serial *s)
{
	if ((s->ier & IER_RX) && s->len)
		return IIR_RX;
	if ((s->ier & IER_THRE) && s->thre_pending)
		return IIR_THRE;
	return IIR_NONE;
}

static void update(struct serial *s)
{
	/* on a PC the line is gated by OUT2 as well; drivers set it, and a
	 * guest that does not still gets its interrupts, as from most VMMs */
	if (pending(s) != IIR_NONE)
		irq_raise(s->irq);
}

static bool put(struct serial *s, uint8_t byte)
{
	if (s->len == SERIAL_FIFO)
		return false;
	s->fifo[(s->head + s->len++) % SERIAL_FIFO] = byte;
	return true;
}

static uint8_t take(struct serial *s)
{
	uint8_t byte;

	if (!s->len)
		return 0;
	byte = s->fifo[s->head];
	s->head = (s->head + 1) % SERIAL_FIFO;
	s->len--;
	if (!s->len && s->refused) {
		s->refused = false;
		s->drained(s->arg);
	}
	return byte;
}

static void clear_input(struct serial *s)
{
	while (s->len)
		take(s);
}

/* In loop mode the modem outputs come back as its inputs (8.6.7). */
static uint8_t modem_status(const struct serial *s)
{
	uint8_t m = s->mcr;

	if (!(m & MCR_LOOP))
		return MSR_READY;
	return (uint8_t)((m & 0x0c) << 4 | (m & 0x02) << 3 | (m & 0x01) << 5);
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t iir = pending(s);

	if (iir == IIR_THRE)	/* reading it acknowledges it */
		s->thre_pending = false;
	return iir | (s->fifo_on ? IIR_FIFO : 0);
}

static uint8_t read_register(struct serial *s, uint64_t reg)
{
	bool dlab = s->lcr & LCR_DLAB;
	uint8_t v;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			return s->dll;
		v = take(s);
		update(s);
		return v;
	case REG_IER:
		return dlab ? s->dlm : s->ier;
	case REG_IIR_FCR:
		return read_iir(s);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return LSR_THRE | LSR_IDLE | (s->len ? LSR_DATA : 0);
	case REG_MSR:
		return modem_status(s);
	case REG_SCR:
		return s->scr;
	default:
		return 0xff;
	}
}

static void write_data(struct serial *s, uint8_t v)
{
	if (s->mcr & MCR_LOOP)
		put(s, v);
	else
		s->output(s->arg, v);
	s->thre_pending = true;
	update(s);
}

static void write_register(struct serial *s, uint64_t reg, uint8_t v)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			s->dll = v;
		else
			write_data(s, v);
		break;
	case REG_IER:
		if (dlab) {
			s->dlm = v;
			break;
		}
		/* enabling it reports an empty transmitter at once */
		if ((v & IER_THRE) && !(s->ier & IER_THRE))
			s->thre_pending = true;
		s->ier = v & 0x0f;
		update(s);
		break;
	case REG_IIR_FCR:
		s->fifo_on = v & FCR_ENABLE;
		if (v & FCR_CLEAR_RX)
			clear_input(s);
		break;
	case REG_LCR:
		s->lcr = v;
		break;
	case REG_MCR:
		s->mcr = v & 0x1f;
		break;
	case REG_SCR:
		s->scr = v;
		break;
	default:
		break;		/* LSR and MSR are read-only */
	}
}

static void serial_read(struct bus_region *r, uint64_t off, void *data,
			unsigned int len)
{
	struct serial *s = container_of(r, struct serial, region);

	memset(data, 0xff, len);
	pthread_mutex_lock(&s->lock);
	*(uint8_t *)data = read_register(s, off);
	pthread_mutex_unlock(&s->lock);
}

static void serial_write(struct bus_region *r, uint64_t off, const void *data,
			 unsigned int len)
{
	struct serial *s = container_of(r, struct serial, region);

	pthread_mutex_lock(&s->lock);
	write_register(s, off, *(const uint8_t *)data);
	pthread_mutex_unlock(&s->lock);
}

static const struct bus_ops serial_ops = {
	.read = serial_read,
	.write = serial_write,
};

void serial_init(struct serial *s, uint64_t base, const struct irq_line *irq,
		 void (*output)(void *arg, uint8_t byte),
		 void (*drained)(void *arg), void *arg)
{
	*s = (struct serial){
		.region = {
			.base = base, .len = SERIAL_LEN, .ops = &serial_ops,
		},
		.irq = irq,
		.output = output,
		.drained = drained,
		.arg = arg,
	};
	pthread_mutex_init(&s->lock, NULL);
}

size_t serial_input(struct serial *s, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t taken = 0;

	pthread_mutex_lock(&s->lock);
	while (taken < n && put(s, p[taken]))
		taken++;
	if (taken < n)
		s->refused = true;
	if (taken)
		update(s);
	pthread_mutex_unlock(&s->lock);
	return taken;
}

void serial_kick(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	update(s);
	pthread_mutex_unlock(&s->lock);
}

struct serial_section {
	uint8_t ier, lcr, mcr, scr, dll, dlm, fifo_on, thre_pending;
	uint32_t len;
	uint8_t fifo[SERIAL_FIFO];	/* the oldest first */
};

void serial_put(const struct serial *s, struct statefile_writer *w)
{
	struct serial_section sec = {
		.ier = s->ier, .lcr = s->lcr, .mcr = s->mcr, .scr = s->scr,
		.dll = s->dll, .dlm = s->dlm, .fifo_on = s->fifo_on,
		.thre_pending = s->thre_pending, .len = s->len,
	};

	for (unsigned int i = 0; i < s->len; i++)
		sec.fifo[i] = s->fifo[(s->head + i) % SERIAL_FIFO];
	statefile_put(w, &sec, sizeof(sec), "serial");
}

int serial_get(struct serial *s, const struct statefile *f, struct err *err)
{
	struct serial_section sec;

	if (statefile_get(f, &sec, sizeof(sec), err, "serial") < 0)
		return -1;
	if (sec.len > SERIAL_FIFO)
		return err_set(err, ERR_IO, "state: the serial port is damaged");
	s->ier = sec.ier;
	s->lcr = sec.lcr;
	s->mcr = sec.mcr;
	s->scr = sec.scr;
	s->dll = sec.dll;
	s->dlm = sec.dlm;
	s->fifo_on = sec.fifo_on;
	s->thre_pending = sec.thre_pending;
	s->head = 0;
	s->len = sec.len;
	memcpy(s->fifo, sec.fifo, sizeof(s->fifo));
	return 0;
}
