/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vsock-table.c - the places of vsock connections
 *
 * Runs in the VMM, on the thread of the loop, under the device's lock. All
 * memory is there from the start; a connection is a place in the table, and its
 * host port tells which: the place's number in the low byte, above it a count
 * that keeps a late packet of an earlier connection from hitting a new one.
 * Distrusts the guest, which may name any ports.
 */
#include "runner/vmm/vsock-table.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/vmm/vsock-sock.h"

#define PORT_BASE 0x40000000u
#define PORT_GENERATIONS 0x200000u

_Static_assert(VSOCK_CONNS == 256, "the low byte of a port is the place");

static void conn_timeout(struct loop_timer *timer);

int vsock_table_init(struct vsock_table *t, const struct vsock_table_ops *ops,
		     struct loop *loop, uint64_t guest_cid, struct err *err)
{
	void *rings = mmap(NULL, (size_t)VSOCK_CONNS * VSOCK_BUF,
			   PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(t, 0, sizeof(*t));
	if (rings == MAP_FAILED)
		return err_sys(err, errno, "vsock: memory for %d connections",
			       VSOCK_CONNS);
	t->ops = ops;
	t->loop = loop;
	t->guest_cid = guest_cid;
	t->rings = rings;
	for (unsigned int i = 0; i < VSOCK_CONNS; i++) {
		struct vsock_conn *c = &t->conns[i];

		c->table = t;
		c->ring = t->rings + (size_t)i * VSOCK_BUF;
		c->timer.cb = conn_timeout;
		c->fds = (struct vsock_fds){
			.watch = { .fd = -1, .cb = vsock_conn_event },
			.sock = -1,
			.peer = -1,
		};
	}
	return 0;
}

void vsock_table_free(struct vsock_table *t)
{
	if (!t->rings)
		return;
	for (unsigned int i = 0; i < VSOCK_CONNS; i++)
		vsock_conn_done(&t->conns[i], ECANCELED);
	for (unsigned int i = 0; i < VSOCK_CONNS; i++)
		if (t->conns[i].state != VSOCK_FREE)
			vsock_sock_close(&t->conns[i]);
	vsock_table_abandon(t);
	munmap(t->rings, (size_t)VSOCK_CONNS * VSOCK_BUF);
	t->rings = NULL;
}

struct vsock_conn *vsock_conn_find(struct vsock_table *t, uint32_t host_port,
				   uint32_t guest_port)
{
	struct vsock_conn *c = &t->conns[host_port % VSOCK_CONNS];

	if (c->state == VSOCK_FREE || c->state == VSOCK_WAITING ||
	    (c->pending & VSOCK_P_REQUEST) || c->host_port != host_port ||
	    c->guest_port != guest_port)
		return NULL;
	return c;
}

void vsock_conn_done(struct vsock_conn *c, int error)
{
	vsock_done_fn *done = c->done;
	int fd = -1;

	if (!done)
		return;
	c->done = NULL;
	if (error == 0) {
		fd = c->fds.peer;
		c->fds.peer = -1;
	}
	done(c->arg, c->token, error, fd);
}

void vsock_conn_gone(struct vsock_conn *c)
{
	loop_timer_cancel(c->table->loop, &c->timer);
	c->state = VSOCK_GONE;
	c->pending = 0;
	c->readable = false;
}

void vsock_conn_abort(struct vsock_conn *c)
{
	vsock_sock_close(c);
	vsock_conn_gone(c);
	c->pending = VSOCK_P_RST;
}

void vsock_conn_free(struct vsock_conn *c)
{
	if (c->ring_top > 0)
		madvise(c->ring, c->ring_top, MADV_DONTNEED);
	c->ring_top = 0;
	c->state = VSOCK_FREE;
	c->pending = 0;
	c->done = NULL;
	c->table->used--;
}

/* Give up a connect that was not answered; who waited knows already. */
static void conn_give_up(struct vsock_conn *c)
{
	bool told = c->state == VSOCK_REQUESTED &&
		    !(c->pending & VSOCK_P_REQUEST);

	vsock_conn_abort(c);
	if (!told)
		c->pending = 0;
	vsock_conn_settle(c);
}

static void conn_timeout(struct loop_timer *timer)
{
	struct vsock_conn *c = container_of(timer, struct vsock_conn, timer);
	struct vsock_table *t = c->table;

	t->ops->enter(t);
	if (c->state == VSOCK_OPEN) {
		vsock_conn_abort(c);
		vsock_conn_settle(c);
	} else if (c->state == VSOCK_WAITING || c->state == VSOCK_REQUESTED) {
		vsock_conn_done(c, ETIMEDOUT);
		conn_give_up(c);
	}
	t->ops->leave(t);
}

/* A free place; if need be that of a connection whose client is gone and whose
 * guest does not care. */
static struct vsock_conn *find_place(struct vsock_table *t)
{
	struct vsock_conn *closing = NULL;

	for (unsigned int i = 0; i < VSOCK_CONNS; i++) {
		struct vsock_conn *c = &t->conns[i];

		if (c->state == VSOCK_FREE)
			return c;
		if (c->state == VSOCK_OPEN && c->hup)
			closing = c;
	}
	if (closing) {
		vsock_conn_abort(closing);
		vsock_table_rst(t, closing->host_port, closing->guest_port);
		vsock_conn_free(closing);
	}
	return closing;
}

int vsock_table_connect(struct vsock_table *t, uint32_t port,
			uint32_t timeout_ms, vsock_done_fn *done, void *arg,
			uint64_t token)
{
	struct vsock_conn *c = find_place(t);
	int rc;

	if (!c)
		return -ENOSPC;
	rc = vsock_sock_open(c);
	if (rc < 0)
		return rc;
	/* All but what belongs to the place: table, ring, fds, its turn. */
	*c = (struct vsock_conn){
		.state = VSOCK_WAITING,
		.table = t,
		.fds = c->fds,
		.timer = { .cb = conn_timeout },
		.host_port = PORT_BASE + (uint32_t)(c - t->conns) +
			     t->generation * VSOCK_CONNS,
		.guest_port = port,
		.queued = c->queued,
		.next = c->next,
		.ring = c->ring,
		.done = done,
		.arg = arg,
		.token = token,
	};
	t->generation = (t->generation + 1) % PORT_GENERATIONS;
	t->used++;
	loop_timer_set(t->loop, &c->timer, timeout_ms);
	if (t->up) {
		c->state = VSOCK_REQUESTED;
		c->pending = VSOCK_P_REQUEST;
		vsock_conn_settle(c);
	}
	return 0;
}

void vsock_table_cancel(struct vsock_table *t, const void *arg)
{
	for (unsigned int i = 0; i < VSOCK_CONNS; i++) {
		struct vsock_conn *c = &t->conns[i];

		if (c->state == VSOCK_FREE || !c->done || c->arg != arg)
			continue;
		c->done = NULL;
		conn_give_up(c);
	}
}

void vsock_table_rst(struct vsock_table *t, uint32_t host_port,
		     uint32_t guest_port)
{
	if (t->nr_rsts < VSOCK_RSTS)
		t->rsts[t->nr_rsts++] = (struct vsock_rst){ host_port,
							    guest_port };
}

void vsock_table_up(struct vsock_table *t)
{
	if (t->up)
		return;
	t->up = true;
	t->ops->agent_up(t);
	for (unsigned int i = 0; i < VSOCK_CONNS; i++) {
		struct vsock_conn *c = &t->conns[i];

		if (c->state != VSOCK_WAITING)
			continue;
		c->state = VSOCK_REQUESTED;
		c->pending = VSOCK_P_REQUEST;
		vsock_conn_settle(c);
	}
}

void vsock_table_reset(struct vsock_table *t)
{
	t->up = t->resetting = false;
	t->nr_rsts = 0;
	for (unsigned int i = 0; i < VSOCK_CONNS; i++) {
		struct vsock_conn *c = &t->conns[i];

		if (c->state == VSOCK_FREE || c->state == VSOCK_WAITING)
			continue;
		if (c->state == VSOCK_REQUESTED) {
			vsock_conn_done(c, ECONNRESET);
			vsock_sock_close(c);
		}
		vsock_conn_gone(c);
		vsock_conn_settle(c);
	}
}

void vsock_table_abandon(struct vsock_table *t)
{
	t->nr_rsts = 0;
	if (!t->resetting)
		t->up_after = t->up;
	t->resetting = true;
	t->up = false;
	for (unsigned int i = 0; i < VSOCK_CONNS; i++) {
		struct vsock_conn *c = &t->conns[i];

		if (c->state == VSOCK_FREE)
			continue;
		loop_timer_cancel(t->loop, &c->timer);
		vsock_sock_forget(c);
		vsock_conn_free(c);
	}
}

void vsock_table_was_reset(struct vsock_table *t)
{
	if (!t->resetting)
		return;
	t->resetting = false;
	if (t->up_after)
		vsock_table_up(t);
}
