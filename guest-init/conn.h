/* SPDX-License-Identifier: MIT */
/*
 * guest-init/conn.h - one stream from the host: frames in, frames out
 *
 * Theory of operation: nothing blocks; what cannot be sent yet is kept.  A
 * producer that can wait asks conn_full() and goes on when its room() is
 * called.  A connection ends in three ways: conn_finish() (all is said: flush,
 * half-close, wait a little for the host to close), the host ends it (gone() is
 * called), or memory is out (as if the host had ended it).  It is freed in
 * conn_sweep(), never under its users' feet.
 *
 * A host that ends a connection is told from a transport that was reset (all
 * connections at once: this guest is a copy that has just woken up).  The former
 * sends SHUTDOWN or RST, which read(2) shows as the end of the stream; the latter
 * alone leaves ECONNRESET in the socket.
 */
#ifndef PODFLARE_GUEST_CONN_H
#define PODFLARE_GUEST_CONN_H

#include "common/frame.h"
#include "guest-init/agent.h"

#define CONN_HIGH (64 * 1024)	/* bytes unsent that make a producer wait */

struct conn;

struct conn_ops {
	void (*frame)(struct conn *c, const struct frame *f);
	void (*room)(struct conn *c);	/* may be NULL */
	void (*gone)(struct conn *c);	/* may be NULL; the last call */
};

struct conn {
	struct agent *agent;
	struct conn *next;
	struct loop_watch watch;
	struct loop_timer timer;	/* for the request, then for the end */
	int fd;
	struct frame_reader in;
	struct buf out;
	size_t sent;		/* of out */
	const struct conn_ops *ops;	/* NULL: nobody cares any more */
	void *owner;
	bool finishing;
	bool half_closed;
	bool broken;	/* nothing can be sent any more */
	bool reset;	/* the transport was, see above; stands before gone() */
	bool local;	/* the other end is a process of ours: ECONNRESET only
			 * says that it did not read everything */
	bool dead;
};

/* @param fd a stream socket, taken over. Return: NULL when there are too many
 * or memory is out. */
struct conn *conn_open(struct agent *a, int fd, const struct conn_ops *ops);
/* From now on somebody else handles the frames; also stops the clock that a
 * request is awaited by. @param ops NULL: input is dropped unseen */
void conn_set_ops(struct conn *c, const struct conn_ops *ops, void *owner);
void conn_send(struct conn *c, uint8_t type, const void *data, size_t len);
bool conn_full(const struct conn *c);
/* Send ERROR with the values of @err, and finish. */
void conn_fail(struct conn *c, const struct err *err);
void conn_finish(struct conn *c);
/* Drop it at once, unsent data with it; gone() is not called.
 * Return: the stream if @keep_fd (the caller's now), else -1. */
int conn_drop(struct conn *c, bool keep_fd);
/* Write out what is left, waiting at most @ms. */
void conn_flush(struct conn *c, int ms);
/* Free the dead ones; between turns of the event loop. */
void conn_sweep(struct agent *a);

#endif
