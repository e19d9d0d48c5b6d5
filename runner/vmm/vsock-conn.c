/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vsock-conn.c - vsock connections: packets in, packets out
 *
 * virtio 1.2, 5.10.6.  Runs in the VMM, on the thread of the loop, under the
 * device's lock. Distrusts the guest: a packet that does not fit its connection
 * costs the guest that connection and nothing else.
 *
 * Theory of operation: a connection never queues packets. It has flags for what
 * it would say (pending) and, behind its socket, bytes; while it has anything to
 * say it stands in the list of turns, and each time the guest has a buffer the
 * first of the list says one thing and goes to the end.  So a guest without
 * buffers holds up nothing but itself, and no connection starves another.
 *
 * A close in good order: the host's socket is closed, we read what is left of
 * it, send SHUTDOWN with both flags, and the guest answers RST.  Or the guest
 * sends SHUTDOWN with both, is answered RST at once, and what it had sent before
 * still drains to the socket (VSOCK_GONE).
 */
#include "runner/vmm/vsock-conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "runner/vmm/vsock-sock.h"
#include "runner/vmm/vsock-table.h"

static bool wants_turn(const struct vsock_conn *c)
{
	return c->pending || vsock_sock_can_read(c);
}

static void turn_add(struct vsock_conn *c)
{
	struct vsock_table *t = c->table;

	if (c->queued)
		return;
	c->queued = true;
	c->next = NULL;
	if (t->turn_last)
		t->turn_last->next = c;
	else
		t->turn_first = c;
	t->turn_last = c;
}

static struct vsock_conn *turn_take(struct vsock_table *t)
{
	struct vsock_conn *c = t->turn_first;

	if (!c)
		return NULL;
	t->turn_first = c->next;
	if (!c->next)
		t->turn_last = NULL;
	c->queued = false;
	return c;
}

/* The guest has room for what we forwarded only once it is told. Say so before
 * it stands still, but not for every byte. */
static void credit_check(struct vsock_conn *c)
{
	uint32_t news = c->fwd_cnt - c->told_fwd_cnt;
	uint32_t left = VSOCK_BUF - (c->rx_cnt - c->told_fwd_cnt);

	if (news >= VSOCK_BUF / 2 || (news > 0 && left < 4096))
		c->pending |= VSOCK_P_CREDIT;
}

void vsock_conn_settle(struct vsock_conn *c)
{
	if (c->state == VSOCK_FREE)
		return;
	if (c->state == VSOCK_GONE && c->ring_len == 0)
		vsock_sock_close(c);
	if (c->state == VSOCK_OPEN)
		credit_check(c);
	if (vsock_sock_watch(c, false) < 0)
		vsock_conn_abort(c);
	if (wants_turn(c))
		turn_add(c);
	else if (c->state == VSOCK_GONE && c->fds.sock < 0)
		vsock_conn_free(c);
}

void vsock_conn_event(struct loop_watch *w, uint32_t events)
{
	struct vsock_conn *c = container_of(w, struct vsock_conn, fds.watch);
	struct vsock_table *t = c->table;

	t->ops->enter(t);
	if (events & EPOLLOUT)
		vsock_sock_drain(c);
	if (events & EPOLLIN)
		c->readable = true;
	if (events & (EPOLLHUP | EPOLLERR)) {
		/* Told for as long as we watch: so no longer. What is left to
		 * read is read whenever the guest can take it. */
		c->hup = true;
		c->readable = true;
		vsock_sock_deaf(c);
		if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
			c->host_shut |= VIRTIO_VSOCK_SHUTDOWN_SEND;
		if (c->state == VSOCK_GONE)
			c->pending &= VSOCK_P_RST;
	}
	vsock_conn_settle(c);
	t->ops->leave(t);
	/* Only now is it known what the guest has taken. */
	vsock_sock_watch(c, true);
}

/* ---- from the guest ---- */

static void recv_data(struct vsock_conn *c, struct virtq_span *data)
{
	uint32_t n = (uint32_t)data->len;

	if ((c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) ||
	    n > VSOCK_BUF - (c->rx_cnt - c->fwd_cnt)) {
		vsock_conn_abort(c);
		return;
	}
	c->rx_cnt += n;
	vsock_sock_send(c, data);
}

static void recv_shutdown(struct vsock_conn *c, uint32_t flags)
{
	uint32_t set = flags & VSOCK_SHUT_BOTH & ~c->guest_shut;

	c->guest_shut |= set;
	if (set & VIRTIO_VSOCK_SHUTDOWN_RCV)
		shutdown(c->fds.sock, SHUT_RD);
	if (set & VIRTIO_VSOCK_SHUTDOWN_SEND)
		vsock_sock_drain(c);
	if (c->guest_shut == VSOCK_SHUT_BOTH) {
		vsock_conn_gone(c);
		c->pending = VSOCK_P_RST;
	} else if (c->hup && (set & VIRTIO_VSOCK_SHUTDOWN_RCV)) {
		c->host_shut |= VIRTIO_VSOCK_SHUTDOWN_SEND;
		c->pending |= VSOCK_P_SHUTDOWN;
	}
}

static void recv_open(struct vsock_conn *c, const struct virtio_vsock_hdr *h,
		      struct virtq_span *data)
{
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RW:
		recv_data(c, data);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		recv_shutdown(c, h->flags);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		c->pending |= VSOCK_P_CREDIT;
		break;
	case VIRTIO_VSOCK_OP_RST:
		vsock_conn_gone(c);
		break;
	default:
		vsock_conn_abort(c);
		break;
	}
}

static void recv_requested(struct vsock_conn *c, uint16_t op)
{
	if (op == VIRTIO_VSOCK_OP_RESPONSE) {
		c->state = VSOCK_OPEN;
		loop_timer_cancel(c->table->loop, &c->timer);
		vsock_conn_done(c, 0);
	} else {
		vsock_conn_done(c, ECONNREFUSED);
		if (op == VIRTIO_VSOCK_OP_RST)
			vsock_conn_gone(c);
		else
			vsock_conn_abort(c);
	}
}

void vsock_table_packet(struct vsock_table *t, const struct virtio_vsock_hdr *h,
			struct virtq_span *payload)
{
	struct vsock_conn *c;

	if (h->src_cid != t->guest_cid || h->dst_cid != VSOCK_HOST_CID)
		return;
	c = h->type == VIRTIO_VSOCK_TYPE_STREAM ?
	    vsock_conn_find(t, h->dst_port, h->src_port) : NULL;
	if (!c) {
		if (h->op == VIRTIO_VSOCK_OP_RST)
			return;
		/* of the parent's connections the guest hears by the reset */
		if (t->resetting && h->op != VIRTIO_VSOCK_OP_REQUEST)
			return;
		vsock_table_rst(t, h->dst_port, h->src_port);
		if (h->op == VIRTIO_VSOCK_OP_REQUEST &&
		    h->dst_port == AGENT_READY_PORT &&
		    h->type == VIRTIO_VSOCK_TYPE_STREAM)
			vsock_table_up(t);
		return;
	}
	c->peer_buf_alloc = h->buf_alloc;
	c->peer_fwd_cnt = h->fwd_cnt;
	if (c->state == VSOCK_REQUESTED)
		recv_requested(c, h->op);
	else if (c->state == VSOCK_OPEN)
		recv_open(c, h, payload);
	else if (h->op != VIRTIO_VSOCK_OP_RST)
		c->pending = VSOCK_P_RST;
	vsock_conn_settle(c);
}

/* ---- to the guest ---- */

/* Say one thing. Return: its op, VIRTIO_VSOCK_OP_INVALID: nothing. */
static uint16_t say(struct vsock_conn *c, struct virtio_vsock_hdr *h,
		    struct virtq_span *room)
{
	if (c->pending & VSOCK_P_RST) {
		c->pending = 0;
		return VIRTIO_VSOCK_OP_RST;
	}
	if (c->pending & VSOCK_P_REQUEST) {
		c->pending &= ~VSOCK_P_REQUEST;
		return VIRTIO_VSOCK_OP_REQUEST;
	}
	if (vsock_sock_can_read(c)) {
		h->len = vsock_sock_read(c, room);
		if (h->len > 0)
			return VIRTIO_VSOCK_OP_RW;
	}
	if (c->pending & VSOCK_P_SHUTDOWN) {
		c->pending &= ~VSOCK_P_SHUTDOWN;
		h->flags = c->host_shut;
		if (c->host_shut == VSOCK_SHUT_BOTH)
			loop_timer_set(c->table->loop, &c->timer,
				       VSOCK_CLOSE_MS);
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	}
	if (c->pending & VSOCK_P_CREDIT)
		return VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	return VIRTIO_VSOCK_OP_INVALID;
}

static void header(const struct vsock_table *t, struct virtio_vsock_hdr *h,
		   uint32_t host_port, uint32_t guest_port)
{
	*h = (struct virtio_vsock_hdr){
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = t->guest_cid,
		.src_port = host_port,
		.dst_port = guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_RST,
	};
}

bool vsock_table_next(struct vsock_table *t, struct virtio_vsock_hdr *h,
		      struct virtq_span *room)
{
	struct vsock_conn *c;

	if (t->nr_rsts > 0) {
		const struct vsock_rst *r = &t->rsts[--t->nr_rsts];

		header(t, h, r->host_port, r->guest_port);
		return true;
	}
	c = turn_take(t);
	if (!c || !wants_turn(c))
		return false;
	header(t, h, c->host_port, c->guest_port);
	h->op = say(c, h, room);
	h->buf_alloc = VSOCK_BUF;
	h->fwd_cnt = c->fwd_cnt;
	if (h->op != VIRTIO_VSOCK_OP_INVALID) {
		c->told_fwd_cnt = c->fwd_cnt;
		c->pending &= ~VSOCK_P_CREDIT;
	}
	vsock_conn_settle(c);
	return h->op != VIRTIO_VSOCK_OP_INVALID;
}

bool vsock_table_pending(const struct vsock_table *t)
{
	return t->nr_rsts > 0 || t->turn_first;
}
