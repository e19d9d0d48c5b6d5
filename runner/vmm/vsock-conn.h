/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vsock-conn.h - the table of vsock connections
 *
 * Knows packets and sockets, but no queues: the device gives it the guest's and
 * asks it for the next to the guest.  On the loop's thread, under the device's
 * lock.
 */
#ifndef PODFLARE_VMM_VSOCK_CONN_H
#define PODFLARE_VMM_VSOCK_CONN_H

#include <linux/virtio_vsock.h>

#include "common/loop.h"
#include "runner/vmm/virtq.h"

#define VSOCK_CONNS 256
#define VSOCK_BUF (128 * 1024)	/* bytes the guest may have in flight to us */
#define VSOCK_PACKET_MAX (64 * 1024)
#define VSOCK_RSTS 64		/* answers to packets of no connection */
#define VSOCK_HOST_CID 2
#define VSOCK_CLOSE_MS 8000	/* for the guest to answer a shutdown */

/* See vsock_connect(). */
typedef void vsock_done_fn(void *arg, uint64_t token, int error, int fd);

enum vsock_state {
	VSOCK_FREE,
	VSOCK_WAITING,		/* for the agent; nothing was sent */
	VSOCK_REQUESTED,	/* REQUEST is sent, or is to be */
	VSOCK_OPEN,
	VSOCK_GONE,		/* over for the guest; what it sent before
				 * still goes to the socket */
};

/* All that it has of the process. A child of fork(2) drops its connections. */
struct vsock_fds {
	struct loop_watch watch;	/* fd -1: not watched */
	uint32_t events;		/* what is watched for */
	int sock;			/* our end, non-blocking; -1: closed */
	int peer;			/* the other, until RESPONSE */
};

struct vsock_conn {
	enum vsock_state state;
	struct vsock_table *table;
	struct vsock_fds fds;
	struct loop_timer timer;	/* connect deadline, close deadline */
	uint32_t host_port, guest_port;
	unsigned int pending;		/* packets to send, VSOCK_P_* */
	bool queued;			/* in the table's list of turns */
	struct vsock_conn *next;
	bool readable;			/* the socket may have bytes, or EOF */
	bool eof;			/* its EOF was read */
	bool hup;			/* nobody will read it any more */
	uint32_t host_shut, guest_shut;	/* VIRTIO_VSOCK_SHUTDOWN_* */
	/* Credit; free-running counters of bytes. */
	uint32_t tx_cnt, peer_fwd_cnt, peer_buf_alloc;	/* to the guest */
	uint32_t rx_cnt, fwd_cnt, told_fwd_cnt;		/* from it */
	uint8_t *ring;		/* what the socket did not take yet */
	uint32_t ring_pos, ring_len, ring_top;
	vsock_done_fn *done;		/* NULL once called */
	void *arg;
	uint64_t token;
};

/* Of its device. */
struct vsock_table_ops {
	void (*enter)(struct vsock_table *t);	/* lock */
	void (*leave)(struct vsock_table *t);	/* send what waits, unlock */
	void (*agent_up)(struct vsock_table *t);
};

struct vsock_rst {
	uint32_t host_port, guest_port;
};

struct vsock_table {
	const struct vsock_table_ops *ops;
	struct loop *loop;
	uint64_t guest_cid;
	bool up;		/* the agent listens */
	bool resetting;		/* it has to hear of a transport reset first */
	bool up_after;		/* it listens after that */
	unsigned int used;		/* connections not free */
	uint32_t generation;		/* makes host ports unique */
	struct vsock_conn *turn_first, *turn_last;
	unsigned int nr_rsts;
	struct vsock_rst rsts[VSOCK_RSTS];
	uint8_t *rings;			/* one mapping for all */
	struct vsock_conn conns[VSOCK_CONNS];
};

int vsock_table_init(struct vsock_table *t, const struct vsock_table_ops *ops,
		     struct loop *loop, uint64_t guest_cid, struct err *err);
/* Waiting connects get ECANCELED. */
void vsock_table_free(struct vsock_table *t);
/* As vsock_connect(), without the lock. */
int vsock_table_connect(struct vsock_table *t, uint32_t port,
			uint32_t timeout_ms, vsock_done_fn *done, void *arg,
			uint64_t token);
void vsock_table_cancel(struct vsock_table *t, const void *arg);
/* The driver reset the device: no connection lives on in the guest. */
void vsock_table_reset(struct vsock_table *t);
/* As vsock_abandon(); nothing is sent until the guest was_reset(), too. */
void vsock_table_abandon(struct vsock_table *t);
void vsock_table_was_reset(struct vsock_table *t);
/* A packet of the guest. @payload holds h->len bytes; what is not consumed is
 * dropped. */
void vsock_table_packet(struct vsock_table *t,
			const struct virtio_vsock_hdr *h,
			struct virtq_span *payload);
/* The next packet to the guest: @h, its payload at the front of @room, which has
 * at least one byte. Return: false when there is none; @room is spoilt. */
bool vsock_table_next(struct vsock_table *t, struct virtio_vsock_hdr *h,
		      struct virtq_span *room);
/* Return: whether anyone stands in line for vsock_table_next(). */
bool vsock_table_pending(const struct vsock_table *t);

#endif
