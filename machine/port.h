/* SPDX-License-Identifier: MIT */
/* machine/port.h - a multiplexer on a file descriptor of an event loop */
#ifndef PODFLARE_MACHINE_PORT_H
#define PODFLARE_MACHINE_PORT_H

#include "common/loop.h"
#include "machine/mux.h"

struct port {
	struct mux mux;
	struct loop *loop;
	struct loop_watch watch;
	struct loop_timer timer;
	int fd;			/* not owned */
	uint32_t events;
	uint32_t retry_ms;	/* host: until the next hello */
	/* host: the other side closed the port (may be NULL) */
	void (*down)(struct port *p);
};

/* Put the port's @fd (made non-blocking) into @loop; the host's side says hello
 * until it is answered. Return: 0, or -1 with @err. */
int port_start(struct port *p, struct loop *loop, int fd, enum mux_role role,
	       const struct mux_ops *ops, struct err *err);
/* Take it out, end the session. */
void port_stop(struct port *p);
/* Write what is to be written: once after each loop_once(). */
void port_flush(struct port *p);

#endif
