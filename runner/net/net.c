/* SPDX-License-Identifier: MIT */
/*
 * runner/net/net.c - the whole of one podflare-net process
 *
 * Between a guest's wire and sockets of this process.  One thread, one poll(2).
 * Distrusts the guest; the runner's messages are checked for form.
 *
 * Theory of operation: frames of the guest go through the filter into libslirp,
 * or are answered or dropped.  Frames for the guest go out at once while the wire
 * takes them, else into a queue with a bound; while something waits there nothing
 * is read from sockets or the guest, so that a slow guest slows its peers down
 * instead of losing what they send.
 */
#include "runner/net/net.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "runner/net/host.h"
#include "runner/net/reply.h"

#define TURN 128		/* frames of the guest; then others have theirs */

enum { POLL_WIRE, POLL_CONTROL, POLL_ADDRESSES, POLLS };

/* ---- to the guest */

/* Return: 1, 0: the wire is full, -1: it has ended. */
static int wire_send(struct net *n, const void *frame, size_t len)
{
	ssize_t sent;

	do {
		sent = send(n->wire, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0) {
		n->status.frames_out++;
		n->status.bytes_out += len;
		return 1;
	}
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
		return 0;
	if (errno == EMSGSIZE) {
		n->status.dropped++;
		return 1;
	}
	n->ended = true;
	return -1;
}

static void to_guest(void *arg, const void *frame, size_t len)
{
	struct net *n = arg;

	if (n->ended)
		return;
	if (n->queue.used == 0 && wire_send(n, frame, len) != 0)
		return;
	if (!queue_put(&n->queue, frame, len))
		n->status.dropped++;
}

static void flush(struct net *n)
{
	size_t len;

	while (!n->ended && (len = queue_first(&n->queue, n->frame)) > 0) {
		if (wire_send(n, n->frame, len) <= 0)
			return;
		queue_drop_first(&n->queue);
	}
}

/* ---- from the guest */

static void take(struct net *n, size_t len)
{
	uint8_t answer[REPLY_MAX];
	struct filter_verdict v;
	size_t size;

	v = filter_verdict(&n->filter, n->frame, len, now_ns());
	switch (v.action) {
	case FILTER_PASS:
		n->status.frames_in++;
		n->status.bytes_in += len;
		stack_input(&n->stack, n->frame, len);
		return;
	case FILTER_REFUSE:
		n->status.refused++;
		size = reply_build(n->frame, &v, answer);
		if (size > 0)
			to_guest(n, answer, size);
		return;
	case FILTER_DNS:
		n->status.frames_in++;
		n->status.bytes_in += len;
		resolver_take(&n->resolver, n->frame, len, now_ns());
		return;
	case FILTER_DROP:
		break;
	}
	n->status.dropped++;
}

static void read_wire(struct net *n)
{
	for (int i = 0; i < TURN && !n->ended && n->queue.used == 0; i++) {
		ssize_t len = recv(n->wire, n->frame, sizeof(n->frame),
				   MSG_DONTWAIT | MSG_TRUNC);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len <= 0)
			n->ended = true;
		else if ((size_t)len > QUEUE_FRAME_MAX)
			n->status.dropped++;
		else
			take(n, (size_t)len);
	}
}

/* ---- from the runner */

static bool on_message(struct net *n, const void *msg, size_t len)
{
	const struct netctl_header *h = msg;

	if (len < sizeof(*h) || h->magic != NETCTL_MAGIC)
		return false;
	switch (h->type) {
	case NETCTL_POLICY: {
		struct netpolicy p;

		if (len != sizeof(struct netctl_policy))
			return false;
		p = ((const struct netctl_policy *)msg)->policy;
		if (!netpolicy_check(&p))
			log_error("a policy that is none: the network is off");
		filter_set_policy(&n->filter, &p);
		return true;
	}
	case NETCTL_STATUS:
		if (len != sizeof(*h))
			return false;
		n->status.h = (struct netctl_header){ NETCTL_MAGIC,
						      NETCTL_STATUS };
		/* who does not read its answers gets none */
		send(n->control, &n->status, sizeof(n->status),
		     MSG_DONTWAIT | MSG_NOSIGNAL);
		return true;
	default:
		return false;
	}
}

static void read_control(struct net *n)
{
	static struct netctl_policy msg;
	ssize_t len = recv(n->control, &msg, sizeof(msg),
			   MSG_DONTWAIT | MSG_TRUNC);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len > 0 && on_message(n, &msg, (size_t)len))
		return;
	if (len > 0)
		log_error("control: a message of another version, or none");
	close(n->control);
	n->control = -1;
}

static void read_addresses(struct net *n)
{
	struct err err = ERR_INIT;

	if (!host_drain(n->addresses)) {
		close(n->addresses);
		n->addresses = -1;
		n->filter.host.overflow = true;
		log_error("the host's addresses are not known any more: "
			  "nothing is reachable");
		return;
	}
	if (host_read(&n->filter.host, &err) < 0)
		log_error("%s", err.msg);
}

/* ---- the loop */

static int fill(struct net *n, int *timeout_ms)
{
	bool blocked = n->queue.used > 0;

	n->polls.nr = 0;
	for (int i = 0; i < POLLS; i++)
		if (!stack_polls_add(&n->polls))
			return -1;
	n->polls.fds[POLL_WIRE] = (struct pollfd){
		.fd = n->wire, .events = blocked ? POLLOUT : POLLIN,
	};
	n->polls.fds[POLL_CONTROL] = (struct pollfd){
		.fd = n->control, .events = POLLIN,
	};
	n->polls.fds[POLL_ADDRESSES] = (struct pollfd){
		.fd = n->addresses, .events = POLLIN,
	};
	*timeout_ms = -1;
	if (blocked)
		return 0;
	if (resolver_fill(&n->resolver, &n->polls, timeout_ms, now_ns()) < 0)
		return -1;
	stack_fill(&n->stack, &n->polls, timeout_ms);
	return 0;
}

static int turn(struct net *n, struct err *err)
{
	const struct pollfd *p;
	bool blocked = n->queue.used > 0;
	int timeout_ms, rc;

	if (fill(n, &timeout_ms) < 0)
		return err_set(err, ERR_NO_MEMORY, "list of sockets");
	rc = poll(n->polls.fds, n->polls.nr, timeout_ms);
	if (rc < 0 && errno != EINTR)
		return err_sys(err, errno, "poll");
	p = n->polls.fds;
	for (unsigned int i = 0; rc <= 0 && i < n->polls.nr; i++)
		n->polls.fds[i].revents = 0;
	if (rc > 0) {
		if (p[POLL_ADDRESSES].revents)
			read_addresses(n);
		if (p[POLL_CONTROL].revents)
			read_control(n);
		if (p[POLL_WIRE].revents & POLLOUT)
			flush(n);
	}
	if (!blocked) {
		resolver_run(&n->resolver, &n->polls, now_ns());
		stack_run(&n->stack, &n->polls, rc < 0);
	}
	if (rc > 0 && (p[POLL_WIRE].revents & (POLLIN | POLLHUP | POLLERR)))
		read_wire(n);
	/* it ended while we wait to write to it */
	if (rc > 0 && blocked && (p[POLL_WIRE].revents & (POLLHUP | POLLERR)))
		n->ended = true;
	return 0;
}

int net_run(struct net *n, struct err *err)
{
	while (!n->ended)
		if (turn(n, err) < 0)
			return -1;
	return 0;
}

int net_init(struct net *n, int wire, int control, struct err *err)
{
	memset(n, 0, sizeof(*n));
	n->wire = wire;
	n->control = control;
	resolver_init(&n->resolver, &n->filter, to_guest, n);
	n->stack.send = to_guest;
	n->stack.arg = n;
	n->addresses = host_watch(err);
	if (n->addresses < 0 || host_read(&n->filter.host, err) < 0 ||
	    queue_init(&n->queue, err) < 0)
		return -1;
	n->filter.v6 = host_has_v6();
	return stack_init(&n->stack, n->filter.v6, err);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void net_free(struct net *n)
{
	stack_free(&n->stack);
	queue_free(&n->queue);
	resolver_free(&n->resolver);
	free(n->polls.fds);
	close_fd(&n->wire);
	close_fd(&n->control);
	close_fd(&n->addresses);
}
