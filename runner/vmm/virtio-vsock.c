/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-vsock.c - virtio socket device (virtio 1.2, 5.10)
 *
 * The queues of the device; what the packets mean is vsock-conn.c.  Runs in the
 * VMM, on the thread of the loop. Distrusts the driver: a header is copied
 * before it is judged, and its length must fit the chain it came in.
 */
#include "runner/vmm/virtio-vsock.h"

#include <errno.h>
#include <linux/virtio_ids.h>

#define VSOCK_QUEUE 256
#define VSOCK_TURN 128			/* packets; then others have theirs */
/* Nobody in the guest waits to hear that a packet was taken, and the next
 * interrupt for the rx queue will say so too. */
#define VSOCK_TX_DONE_MS 2
#define VSOCK_TX_DONE_MAX 32
#define VSOCK_F_STREAM 0		/* VIRTIO_VSOCK_F_STREAM */

#define HEADER sizeof(struct virtio_vsock_hdr)

static struct virtio_vsock *of_table(struct vsock_table *t)
{
	return container_of(t, struct virtio_vsock, table);
}

static struct virtio_vsock *of_mmio(struct virtio_mmio *d)
{
	return container_of(d, struct virtio_vsock, mmio);
}

/* Put the next packet into the popped chain. Return: whether it was used. */
static bool fill(struct virtio_vsock *v)
{
	struct virtq_span *room = &v->chain.in, front;
	struct iovec iov[HEADER];
	struct virtio_vsock_hdr h;

	if (room->len <= HEADER) {
		virtio_mmio_fail(&v->mmio, "receive buffer without room");
		return false;
	}
	front = virtq_take(room, HEADER, iov);
	if (!vsock_table_next(&v->table, &h, room)) {
		virtq_unpop(&v->mmio.queues[VSOCK_RX]);
		return false;
	}
	virtq_write(&front, &h, HEADER);
	virtq_push(&v->mmio.queues[VSOCK_RX], v->chain.head,
		   (uint32_t)HEADER + h.len);
	if (h.op == VIRTIO_VSOCK_OP_RW)
		v->activity_ns = now_ns();
	return true;
}

/* Give the guest what waits for it, as far as it has buffers. */
static void pump(struct virtio_vsock *v)
{
	struct virtio_mmio *d = &v->mmio;
	unsigned int sent = 0;

	while (vsock_table_pending(&v->table)) {
		if (sent == VSOCK_TURN) {
			virtio_mmio_kick(d, VSOCK_RX);
			break;
		}
		if (virtio_mmio_pop(d, VSOCK_RX, &v->chain))
			sent += fill(v);
		else if (!virtio_mmio_running(d) ||
			 !d->queues[VSOCK_RX].ready ||
			 !virtq_kicks(&d->queues[VSOCK_RX], true))
			break;
	}
	virtio_mmio_signal(d, VSOCK_RX);
}

/* A packet of the guest is in the popped chain. */
static void take(struct virtio_vsock *v)
{
	struct virtq_span *out = &v->chain.out;
	struct virtio_vsock_hdr h;

	if (virtq_read(out, &h, HEADER) != HEADER || h.len > out->len ||
	    h.len > VSOCK_PACKET_MAX) {
		virtio_mmio_fail(&v->mmio, "packet longer than its chain");
		return;
	}
	virtq_cut(out, h.len);
	if (h.op == VIRTIO_VSOCK_OP_RW)
		v->activity_ns = now_ns();
	vsock_table_packet(&v->table, &h, out);
	virtq_push(&v->mmio.queues[VSOCK_TX], v->chain.head, 0);
}

static void notify_tx(struct virtio_vsock *v)
{
	struct virtio_mmio *d = &v->mmio;
	struct virtq *q = &d->queues[VSOCK_TX];
	unsigned int taken = 0;
	bool more = true;

	while (more && taken < VSOCK_TURN) {
		virtq_kicks(q, false);
		while (taken < VSOCK_TURN &&
		       virtio_mmio_pop(d, VSOCK_TX, &v->chain)) {
			take(v);
			taken++;
		}
		more = virtio_mmio_running(d) && virtq_kicks(q, true);
	}
	if (more)
		virtio_mmio_kick(d, VSOCK_TX);
	if (virtq_unsignalled(q) >= VSOCK_TX_DONE_MAX)
		virtio_mmio_signal(d, VSOCK_TX);
	else if (v->tx_done.deadline == 0)
		loop_timer_set(d->env.loop, &v->tx_done, VSOCK_TX_DONE_MS);
}

static void tx_done(struct loop_timer *t)
{
	struct virtio_vsock *v = container_of(t, struct virtio_vsock, tx_done);

	virtio_mmio_lock(&v->mmio);
	virtio_mmio_signal(&v->mmio, VSOCK_TX);
	virtio_mmio_unlock(&v->mmio);
}

/* Tell of a transport reset, once the driver gives a buffer for it. */
static void notify_event(struct virtio_vsock *v)
{
	struct virtio_vsock_event e = {
		.id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET,
	};
	struct virtq *q = &v->mmio.queues[VSOCK_EVENT];

	while (v->event_pending) {
		if (!virtio_mmio_pop(&v->mmio, VSOCK_EVENT, &v->chain)) {
			if (!virtio_mmio_running(&v->mmio) ||
			    !virtq_kicks(q, true))
				break;
			continue;
		}
		if (virtq_write(&v->chain.in, &e, sizeof(e)) != sizeof(e)) {
			virtio_mmio_fail(&v->mmio, "event buffer too small");
			break;
		}
		/* before it is given away: the driver may be quick */
		v->event_mark = virtq_watch(q);
		virtq_push(q, v->chain.head, sizeof(e));
		v->event_pending = false;
		v->event_told = true;
	}
	virtio_mmio_signal(&v->mmio, VSOCK_EVENT);
}

/* Connections that are made before the driver has acted on the reset would be
 * reset with the old ones. It gives the event's buffer back when it has. */
static void look_for_reset(struct virtio_vsock *v)
{
	if (!v->event_told ||
	    virtq_watch(&v->mmio.queues[VSOCK_EVENT]) == v->event_mark)
		return;
	v->event_told = false;
	vsock_table_was_reset(&v->table);
}

static void vsock_notify(struct virtio_mmio *d, unsigned int queue)
{
	struct virtio_vsock *v = of_mmio(d);

	if (queue == VSOCK_TX)
		notify_tx(v);
	else if (queue == VSOCK_EVENT)
		notify_event(v);
	look_for_reset(v);
	/* Whatever the driver did, there may be answers. */
	pump(v);
}

static void vsock_reset(struct virtio_mmio *d)
{
	struct virtio_vsock *v = of_mmio(d);

	v->event_pending = v->event_told = false;
	vsock_table_reset(&v->table);
}

static const struct virtio_ops vsock_ops = {
	.name = "virtio-vsock",
	.id = VIRTIO_ID_VSOCK,
	.nr_queues = VSOCK_QUEUES,
	.queue_max = VSOCK_QUEUE,
	.notify = vsock_notify,
	.reset = vsock_reset,
};

static void table_enter(struct vsock_table *t)
{
	virtio_mmio_lock(&of_table(t)->mmio);
}

static void table_leave(struct vsock_table *t)
{
	pump(of_table(t));
	virtio_mmio_unlock(&of_table(t)->mmio);
}

static void table_agent_up(struct vsock_table *t)
{
	struct virtio_vsock *v = of_table(t);

	if (v->setup.agent_up)
		v->setup.agent_up(v->setup.arg);
}

static const struct vsock_table_ops table_ops = {
	.enter = table_enter,
	.leave = table_leave,
	.agent_up = table_agent_up,
};

int virtio_vsock_init(struct virtio_vsock *v, const struct virtio_env *env,
		      const struct virtio_vsock_setup *setup, struct err *err)
{
	memset(v, 0, sizeof(*v));
	v->setup = *setup;
	v->config.guest_cid = setup->guest_cid;
	v->tx_done.cb = tx_done;
	if (vsock_table_init(&v->table, &table_ops, env->loop,
			     setup->guest_cid, err) < 0)
		return -1;
	if (virtio_mmio_init(&v->mmio, &vsock_ops, env, 1ULL << VSOCK_F_STREAM,
			     &v->config, sizeof(v->config), err) < 0) {
		vsock_table_free(&v->table);
		return -1;
	}
	return 0;
}

void virtio_vsock_free(struct virtio_vsock *v)
{
	vsock_table_free(&v->table);
	loop_timer_cancel(v->mmio.env.loop, &v->tx_done);
	virtio_mmio_free(&v->mmio);
}

int vsock_connect(struct virtio_vsock *v, uint32_t port, uint32_t timeout_ms,
		  vsock_done_fn *done, void *arg, uint64_t token)
{
	int rc;

	virtio_mmio_lock(&v->mmio);
	rc = vsock_table_connect(&v->table, port, timeout_ms, done, arg, token);
	pump(v);
	virtio_mmio_unlock(&v->mmio);
	return rc;
}

void vsock_cancel(struct virtio_vsock *v, const void *arg)
{
	virtio_mmio_lock(&v->mmio);
	vsock_table_cancel(&v->table, arg);
	pump(v);
	virtio_mmio_unlock(&v->mmio);
}

unsigned int vsock_connections(const struct virtio_vsock *v)
{
	return v->table.used;
}

void vsock_abandon(struct virtio_vsock *v)
{
	virtio_mmio_lock(&v->mmio);
	vsock_table_abandon(&v->table);
	v->event_pending = true;
	v->event_told = false;
	virtio_mmio_unlock(&v->mmio);
	virtio_mmio_kick(&v->mmio, VSOCK_EVENT);
}
