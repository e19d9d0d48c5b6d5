/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vsock-sock.h - a connection's socket and its ring, for the table
 *
 * None of these sends packets; they set what is pending, and the caller ends
 * with vsock_conn_settle().
 */
#ifndef PODFLARE_VMM_VSOCK_SOCK_H
#define PODFLARE_VMM_VSOCK_SOCK_H

#include "runner/vmm/vsock-conn.h"

/* Packets that wait for a turn (struct vsock_conn, pending). */
enum vsock_pending {
	VSOCK_P_RST = 1,	/* alone: nothing comes after it */
	VSOCK_P_REQUEST = 2,
	VSOCK_P_SHUTDOWN = 4,
	VSOCK_P_CREDIT = 8,
};

#define VSOCK_SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* Make the pair. Return: 0, or a negative errno. */
int vsock_sock_open(struct vsock_conn *c);
/* Close both ends; what is in the ring is dropped. */
void vsock_sock_close(struct vsock_conn *c);
/* Watch for what is needed now. @exact also stops watching for what is not.
 * Return: 0, or -1. */
int vsock_sock_watch(struct vsock_conn *c, bool exact);
/* Bytes of the guest: to the socket, what it does not take into the ring. The
 * credit was checked. */
void vsock_sock_send(struct vsock_conn *c, struct virtq_span *data);
/* Ring to socket; ends the socket's stream when the guest's has ended. */
void vsock_sock_drain(struct vsock_conn *c);
/* Return: whether bytes can go to the guest now. */
bool vsock_sock_can_read(const struct vsock_conn *c);
/* Read at most the guest's credit to the front of @room.
 * Return: bytes, 0: none now, or EOF (noted). */
uint32_t vsock_sock_read(struct vsock_conn *c, struct virtq_span *room);
/* In a child of fork(2): close our copies, the parent's connection goes on. */
void vsock_sock_forget(struct vsock_conn *c);
/* Nobody reads what the guest sends any more. */
void vsock_sock_deaf(struct vsock_conn *c);

/* Defined in vsock-conn.c: after any change of @c. Gives it a turn if it has a
 * packet, watches its socket, frees it when all is over. */
void vsock_conn_settle(struct vsock_conn *c);
/* Something happened on the socket (struct loop_watch). */
void vsock_conn_event(struct loop_watch *w, uint32_t events);

#endif
