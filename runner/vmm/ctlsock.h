/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/ctlsock.h - the control socket: messages in and out (control.h)
 *
 * One connection at a time; a new one replaces the old.  The other side may
 * vanish at any moment, and nobody may be there at all.
 */
#ifndef PODFLARE_VMM_CTLSOCK_H
#define PODFLARE_VMM_CTLSOCK_H

#include "common/log.h"
#include "common/loop.h"
#include "runner/vmm/control.h"

struct ctlsock;

struct ctlsock_ops {
	/* A message: at least a struct ctl_header with the right magic, in @msg
	 * aligned for any of the structs. The fds are the callee's to close.
	 * Return: false when the client broke the protocol: it is dropped. */
	bool (*message)(struct ctlsock *s, const void *msg, size_t len,
			const int *fds, size_t nfds);
	/* The connection is no more. */
	void (*gone)(struct ctlsock *s);
};

struct ctlsock {
	const struct ctlsock_ops *ops;
	struct loop *loop;
	struct loop_watch listen;	/* not owned */
	struct loop_watch conn;		/* fd is ours; -1: no client */
	struct ratelimit limit;		/* of complaints about clients */
	unsigned int generation;	/* counts ctlsock_reopen() */
};

/* @param fd a listening (or bound) SEQPACKET socket, stays the caller's
 * Return: 0, or -1 with @err. */
int ctlsock_init(struct ctlsock *s, struct loop *loop, int fd,
		 const struct ctlsock_ops *ops, struct err *err);
void ctlsock_free(struct ctlsock *s);
/* In a child of fork(2), after loop_reopen(): serve @fd (bound), and leave the
 * parent's client alone; gone() is not called. Return: 0, or -1 with @err. */
int ctlsock_reopen(struct ctlsock *s, int fd, struct err *err);
/* Send to the client, if there is one; one that does not read is dropped, later
 * and from the loop, so that this may be called anywhere on the main thread.
 * The fds stay the caller's. */
void ctlsock_send(struct ctlsock *s, const void *msg, size_t len,
		  const int *fds, size_t nfds);

#endif
