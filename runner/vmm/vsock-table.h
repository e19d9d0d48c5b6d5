/* SPDX-License-Identifier: MIT */
/* runner/vmm/vsock-table.h - a connection's place and life, for vsock-conn.c */
#ifndef PODFLARE_VMM_VSOCK_TABLE_H
#define PODFLARE_VMM_VSOCK_TABLE_H

#include "runner/vmm/vsock-conn.h"

/* Return: the connection the guest may know under these ports, or NULL. */
struct vsock_conn *vsock_conn_find(struct vsock_table *t, uint32_t host_port,
				   uint32_t guest_port);
/* Answer who waits for the connect, once: 0 gives the socket away. */
void vsock_conn_done(struct vsock_conn *c, int error);
/* It is over for the guest; its last bytes may still drain. */
void vsock_conn_gone(struct vsock_conn *c);
/* End it at once, with RST to the guest. */
void vsock_conn_abort(struct vsock_conn *c);
/* Its place is free. Sockets are closed. */
void vsock_conn_free(struct vsock_conn *c);
/* RST for ports without a connection; dropped when too many wait. */
void vsock_table_rst(struct vsock_table *t, uint32_t host_port,
		     uint32_t guest_port);
/* The agent listens: connects that waited are sent. */
void vsock_table_up(struct vsock_table *t);

#endif
