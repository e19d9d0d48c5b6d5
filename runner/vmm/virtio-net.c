/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-net.c - virtio network device (virtio 1.2, 5.1)
 *
 * Carries frames between two queues and a socket; looks at their length, never
 * into them.  Runs in the VMM, on the thread of the loop.  Distrusts the driver,
 * and the back end too, which has read what the guest sent: a frame of an
 * impossible length is dropped, and what one of the two does not take waits in
 * the other's buffers, never in memory of ours (one frame apart).
 */
#include "runner/vmm/virtio-net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/socket.h>
#include <unistd.h>

#define NET_QUEUE 256
#define NET_TURN 64			/* frames; then others have theirs */
#define HEADER sizeof(struct virtio_net_hdr_v1)

static struct virtio_net *of_mmio(struct virtio_mmio *d)
{
	return container_of(d, struct virtio_net, mmio);
}

/* ---- the link ---- */

static void link_set(struct virtio_net *n, bool up)
{
	uint16_t status = up ? VIRTIO_NET_S_LINK_UP : 0;

	if (n->config.status == status)
		return;
	n->config.status = status;
	virtio_mmio_config_changed(&n->mmio);
}

static void backend_close(struct virtio_net *n)
{
	int fd = n->backend.fd;

	loop_del(n->mmio.env.loop, &n->backend);
	if (fd >= 0)
		close(fd);
	n->held = 0;
	n->tx_blocked = false;
}

static void stay_down(struct virtio_net *n, uint64_t ms)
{
	backend_close(n);
	n->state = NET_DOWN;
	link_set(n, false);
	loop_timer_set(n->mmio.env.loop, &n->timer, ms);
	/* what waited for it is dropped */
	virtio_mmio_kick(&n->mmio, NET_TX);
}

static void go_down(struct virtio_net *n)
{
	stay_down(n, NET_DOWN_MS);
}

/* Wait for what there is something to be done about. */
static void watch(struct virtio_net *n)
{
	uint32_t events = (n->held ? 0 : EPOLLIN) |
			  (n->tx_blocked ? EPOLLOUT : 0);

	if (n->state != NET_ATTACHED || events == n->events)
		return;
	n->events = events;
	if (loop_mod(n->mmio.env.loop, &n->backend, events) < 0)
		go_down(n);
}

/* ---- to the guest ---- */

/* Return: whether there is a frame now. */
static bool receive(struct virtio_net *n)
{
	while (n->state == NET_ATTACHED) {
		ssize_t len = recv(n->backend.fd, n->frame, sizeof(n->frame),
				   MSG_DONTWAIT | MSG_TRUNC);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && (errno == EAGAIN || errno == ENOMEM))
			return false;
		if (len <= 0) {
			go_down(n);
			return false;
		}
		if (len >= NET_FRAME_MIN && len <= NET_FRAME_MAX) {
			n->held = (uint32_t)len;
			return true;
		}
		n->rx_dropped++;
	}
	return false;
}

static void put_back(struct virtio_net *n, unsigned int chains)
{
	while (chains-- > 0)
		virtq_unpop(&n->mmio.queues[NET_RX]);
}

enum placed { PLACED, NO_ROOM, DROPPED };

/* The guest's next buffer for the held frame, whose bytes up to @done are in
 * earlier ones. Return: bytes put into it; 0: it is none. */
static uint32_t fill(struct virtio_net *n, uint32_t done)
{
	struct virtq_span *room = &n->chain.in;
	uint32_t part = (uint32_t)MIN(room->len, n->held - done);

	virtq_write(room, n->frame + done, part);
	return part;
}

/* Put the held frame into as many buffers as it takes; the driver gets all of
 * them or none. */
static enum placed place(struct virtio_net *n)
{
	struct virtio_net_hdr_v1 h = { .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	struct virtio_mmio *d = &n->mmio;
	struct virtq *q = &d->queues[NET_RX];
	bool merge = d->features & 1ULL << VIRTIO_NET_F_MRG_RXBUF;
	struct virtq_span front = { 0 };
	struct iovec iov[HEADER];
	uint32_t done = 0, part;
	unsigned int nr = 0;

	while (done < n->held) {
		if (nr == (merge ? q->size : 1u)) {
			/* too large for all the buffers that can be */
			put_back(n, nr);
			return DROPPED;
		}
		if (!virtio_mmio_pop(d, NET_RX, &n->chain)) {
			n->rx_seen = q->avail_next;
			put_back(n, nr);
			return virtio_mmio_running(d) ? NO_ROOM : DROPPED;
		}
		if (nr == 0)
			front = virtq_take(&n->chain.in, HEADER, iov);
		part = fill(n, done);
		if (part == 0 || front.len < HEADER) {
			virtio_mmio_fail(d, "receive buffer without room");
			return DROPPED;
		}
		done += part;
		n->pushed[nr].head = n->chain.head;
		n->pushed[nr].written = part + (nr == 0 ? (uint32_t)HEADER : 0);
		nr++;
	}
	h.num_buffers = (uint16_t)nr;
	virtq_write(&front, &h, HEADER);
	virtq_push_all(q, n->pushed, nr);
	return PLACED;
}

/* Return: whether a frame was dealt with; false: there is none, or it waits. */
static bool deliver(struct virtio_net *n)
{
	struct virtq *q = &n->mmio.queues[NET_RX];
	enum placed p = DROPPED;

	if (!n->held && !receive(n))
		return false;
	if (virtio_mmio_running(&n->mmio) && q->ready)
		p = place(n);
	if (p == NO_ROOM) {
		/* More than nothing may be there, but not enough: a kick has to
		 * come for the next buffer, not for the first. */
		return virtq_watch(q) != n->rx_seen;
	}
	*(p == PLACED ? &n->rx_frames : &n->rx_dropped) += 1;
	n->held = 0;
	return true;
}

static void pump_rx(struct virtio_net *n)
{
	unsigned int turn = 0;

	/* The socket is level-triggered; a frame that is held comes on with the
	 * next kick. */
	while (turn < NET_TURN && deliver(n))
		turn++;
	if (turn == NET_TURN && n->held)
		virtio_mmio_kick(&n->mmio, NET_RX);
	virtio_mmio_signal(&n->mmio, NET_RX);
	watch(n);
}

/* ---- from the guest ---- */

static void want_backend(struct virtio_net *n)
{
	n->state = NET_WANTED;
	loop_timer_set(n->mmio.env.loop, &n->timer, NET_WAIT_MS);
	if (n->setup.wanted)
		n->setup.wanted(n->setup.arg);
}

/* Return: whether the frame is done with; else it waits. */
static bool send_frame(struct virtio_net *n, struct virtq_span *out)
{
	struct msghdr m = { .msg_iov = out->iov, .msg_iovlen = out->nr };

	if (n->state == NET_IDLE)
		want_backend(n);
	if (n->state == NET_WANTED)
		return false;
	if (n->state == NET_DOWN) {
		n->tx_dropped++;
		return true;
	}
	if (sendmsg(n->backend.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
		n->tx_frames++;
		return true;
	}
	switch (errno) {
	case EAGAIN:
		n->tx_blocked = true;
		return false;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		go_down(n);
		break;
	default:	/* no memory, too large for the host: a frame is lost */
		break;
	}
	n->tx_dropped++;
	return true;
}

/* The popped chain. Return: whether to go on; else it waits, or was none. */
static bool take(struct virtio_net *n)
{
	struct virtq *q = &n->mmio.queues[NET_TX];
	struct virtq_span *out = &n->chain.out;
	struct virtio_net_hdr_v1 h;

	if (virtq_read(out, &h, HEADER) != HEADER) {
		virtio_mmio_fail(&n->mmio, "frame without a header");
		return false;
	}
	/* No offload was offered, so that there is nothing to be asked for. */
	if (out->len < NET_FRAME_MIN || out->len > NET_FRAME_MAX ||
	    h.gso_type != VIRTIO_NET_HDR_GSO_NONE ||
	    (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		n->tx_dropped++;
	} else if (!send_frame(n, out)) {
		virtq_unpop(q);
		return false;
	}
	virtq_push(q, n->chain.head, 0);
	return true;
}

static void pump_tx(struct virtio_net *n)
{
	struct virtio_mmio *d = &n->mmio;
	struct virtq *q = &d->queues[NET_TX];
	unsigned int taken = 0;
	bool more = true;

	while (more && taken < NET_TURN) {
		if (n->state == NET_WANTED || n->tx_blocked)
			break;
		virtq_kicks(q, false);
		while (taken < NET_TURN &&
		       virtio_mmio_pop(d, NET_TX, &n->chain) && take(n))
			taken++;
		more = virtio_mmio_running(d) && virtq_kicks(q, true);
	}
	if (taken == NET_TURN)
		virtio_mmio_kick(d, NET_TX);
	virtio_mmio_signal(d, NET_TX);
	watch(n);
}

/* ---- events ---- */

static void on_backend(struct loop_watch *w, uint32_t events)
{
	struct virtio_net *n = container_of(w, struct virtio_net, backend);
	struct virtio_mmio *d = &n->mmio;

	virtio_mmio_lock(d);
	if (n->held && (events & (EPOLLHUP | EPOLLERR)))
		go_down(n);	/* else it would be told without end */
	if (events & EPOLLOUT)
		n->tx_blocked = false;
	pump_rx(n);
	if ((events & EPOLLOUT) && virtio_mmio_running(d) &&
	    d->queues[NET_TX].ready)
		pump_tx(n);
	virtio_mmio_unlock(d);
}

/* Nobody has come with a back end; or the link was down for long enough. */
static void on_timer(struct loop_timer *t)
{
	struct virtio_net *n = container_of(t, struct virtio_net, timer);
	struct virtio_mmio *d = &n->mmio;

	virtio_mmio_lock(d);
	if (n->state == NET_WANTED) {
		n->state = NET_DOWN;	/* drop what waits */
		if (virtio_mmio_running(d) && d->queues[NET_TX].ready)
			pump_tx(n);
	}
	if (n->state != NET_ATTACHED) {
		n->state = NET_IDLE;
		link_set(n, true);
	}
	virtio_mmio_unlock(d);
}

static void net_notify(struct virtio_mmio *d, unsigned int queue)
{
	struct virtio_net *n = of_mmio(d);

	if (queue == NET_TX)
		pump_tx(n);
	else if (n->held)
		pump_rx(n);
}

static void net_reset(struct virtio_mmio *d)
{
	struct virtio_net *n = of_mmio(d);

	/* It was for the old queues; the back end stays. */
	n->held = 0;
	n->tx_blocked = false;
	watch(n);
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.id = VIRTIO_ID_NET,
	.nr_queues = NET_QUEUES,
	.queue_max = NET_QUEUE,
	.notify = net_notify,
	.reset = net_reset,
};

/* ---- life ---- */

bool virtio_net_setup_ok(const struct virtio_net_setup *setup)
{
	return setup->mtu >= NET_MTU_MIN && setup->mtu <= NET_MTU_MAX &&
	       (setup->mac[0] & 3) == 2;
}

int virtio_net_init(struct virtio_net *n, const struct virtio_env *env,
		    const struct virtio_net_setup *setup, struct err *err)
{
	uint64_t features = 1ULL << VIRTIO_NET_F_MAC |
			    1ULL << VIRTIO_NET_F_MTU |
			    1ULL << VIRTIO_NET_F_STATUS |
			    1ULL << VIRTIO_NET_F_MRG_RXBUF;

	BUG_ON(!virtio_net_setup_ok(setup));
	memset(n, 0, sizeof(*n));
	n->setup = *setup;
	n->backend = (struct loop_watch){ .fd = -1, .cb = on_backend };
	n->timer.cb = on_timer;
	memcpy(n->config.mac, setup->mac, sizeof(n->config.mac));
	n->config.mtu = setup->mtu;
	n->config.status = VIRTIO_NET_S_LINK_UP;
	/* as far as the MTU: what lies behind it belongs to other features */
	return virtio_mmio_init(&n->mmio, &net_ops, env, features, &n->config,
				offsetof(struct virtio_net_config, speed), err);
}

void virtio_net_free(struct virtio_net *n)
{
	backend_close(n);
	loop_timer_cancel(n->mmio.env.loop, &n->timer);
	virtio_mmio_free(&n->mmio);
}

int virtio_net_attach(struct virtio_net *n, int fd, struct err *err)
{
	struct virtio_mmio *d = &n->mmio;
	int rc = 0;

	virtio_mmio_lock(d);
	backend_close(n);
	loop_timer_cancel(d->env.loop, &n->timer);
	n->events = EPOLLIN;
	if (loop_add(d->env.loop, &n->backend, fd, EPOLLIN) < 0) {
		rc = err_sys(err, errno, "watch a network's socket");
		close(fd);
		go_down(n);
	} else {
		n->state = NET_ATTACHED;
		n->used = true;
		link_set(n, true);
		virtio_mmio_kick(d, NET_TX);
	}
	virtio_mmio_unlock(d);
	return rc;
}

void virtio_net_abandon(struct virtio_net *n)
{
	virtio_mmio_lock(&n->mmio);
	backend_close(n);
	loop_timer_cancel(n->mmio.env.loop, &n->timer);
	n->state = NET_IDLE;
	if (n->used)
		stay_down(n, NET_FLAP_MS);
	virtio_mmio_unlock(&n->mmio);
}
