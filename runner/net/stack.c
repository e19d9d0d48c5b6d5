/* SPDX-License-Identifier: MIT */
/*
 * runner/net/stack.c - the way out: libslirp, a TCP/IP stack over sockets
 *
 * Runs in podflare-net.  Libslirp reads what the guest wrote, and this process is
 * made so that little is lost with it (isolate.c).  Its own services for guests
 * (DHCP, TFTP, the way to the host's loopback, emulations of protocols) are off,
 * and the filter lets nothing through that would ask for them.
 */
#include "runner/net/stack.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <slirp/libslirp.h>

#include "common/log.h"
#include "common/netwire.h"
#include "common/util.h"

#define MTU 65520

static int64_t clock_ns(void *opaque)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t clock_ms(void)
{
	return clock_ns(NULL) / 1000000;
}

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct stack *s = opaque;

	s->send(s->arg, buf, len);
	return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
	log_debug("guest: %s", msg);
}

/* ---- timers: libslirp has one, for router advertisements */

static void *timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
	struct stack *s = opaque;

	for (int i = 0; i < STACK_TIMERS; i++) {
		struct stack_timer *t = &s->timers[i];

		if (t->used)
			continue;
		*t = (struct stack_timer){ .id = (int)id, .opaque = cb_opaque,
					   .at_ms = -1, .used = true };
		return t;
	}
	BUG("libslirp has more timers than it had");
}

static void timer_free(void *timer, void *opaque)
{
	((struct stack_timer *)timer)->used = false;
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
	((struct stack_timer *)timer)->at_ms = expire_ms;
}

static void run_timers(struct stack *s)
{
	int64_t now = clock_ms();

	for (int i = 0; i < STACK_TIMERS; i++) {
		struct stack_timer *t = &s->timers[i];

		if (!t->used || t->at_ms < 0 || t->at_ms > now)
			continue;
		t->at_ms = -1;
		slirp_handle_timer(s->slirp, (SlirpTimerId)t->id, t->opaque);
	}
}

/* ---- descriptors */

static void ignore_fd(int fd, void *opaque)
{
}

static void ignore(void *opaque)
{
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_ns,
	.timer_new_opaque = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = ignore_fd,
	.unregister_poll_fd = ignore_fd,
	.notify = ignore,
};

struct pollfd *stack_polls_add(struct stack_polls *p)
{
	if (p->nr == p->room) {
		unsigned int room = p->room ? 2 * p->room : 64;
		struct pollfd *fds = realloc(p->fds, room * sizeof(*fds));

		if (!fds)
			return NULL;
		p->fds = fds;
		p->room = room;
	}
	return &p->fds[p->nr++];
}

static int add_poll(int fd, int events, void *opaque)
{
	struct stack_polls *p = opaque;
	struct pollfd *f = stack_polls_add(p);
	short want = 0;

	if (!f)
		return -1;
	if (events & SLIRP_POLL_IN)
		want |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		want |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		want |= POLLPRI;
	*f = (struct pollfd){ .fd = fd, .events = want };
	return (int)(f - p->fds);
}

static int get_revents(int index, void *opaque)
{
	const struct stack_polls *p = opaque;
	short got;
	int events = 0;

	if (index < 0 || (unsigned int)index >= p->nr)
		return 0;
	got = p->fds[index].revents;
	if (got & POLLIN)
		events |= SLIRP_POLL_IN;
	if (got & POLLOUT)
		events |= SLIRP_POLL_OUT;
	if (got & POLLPRI)
		events |= SLIRP_POLL_PRI;
	if (got & POLLERR)
		events |= SLIRP_POLL_ERR;
	if (got & POLLHUP)
		events |= SLIRP_POLL_HUP;
	return events;
}

void stack_fill(struct stack *s, struct stack_polls *p, int *timeout_ms)
{
	uint32_t timeout = *timeout_ms < 0 ? UINT32_MAX : (uint32_t)*timeout_ms;
	int64_t now = clock_ms();

	slirp_pollfds_fill(s->slirp, &timeout, add_poll, p);
	for (int i = 0; i < STACK_TIMERS; i++)
		if (s->timers[i].used && s->timers[i].at_ms >= 0)
			timeout = (uint32_t)MIN((int64_t)timeout,
				MAX(s->timers[i].at_ms - now, 0));
	*timeout_ms = timeout > INT32_MAX ? -1 : (int)timeout;
}

void stack_run(struct stack *s, struct stack_polls *p, bool failed)
{
	slirp_pollfds_poll(s->slirp, failed, get_revents, p);
	run_timers(s);
}

void stack_input(struct stack *s, const void *frame, size_t len)
{
	slirp_input(s->slirp, frame, (int)len);
}

/* ---- life */

static struct in_addr in4(uint32_t host_order)
{
	return (struct in_addr){ htonl(host_order) };
}

int stack_init(struct stack *s, bool v6, struct err *err)
{
	const SlirpConfig config = {
		.version = 4,
		.in_enabled = true,
		.vnetwork = in4(WIRE_NET4),
		.vnetmask = in4(WIRE_MASK4),
		.vhost = in4(WIRE_GATEWAY4),
		.vdhcp_start = in4(WIRE_GUEST4),
		.vnameserver = in4(WIRE_DNS4),
		.in6_enabled = v6,
		.vprefix_addr6 = { .s6_addr = WIRE_NET6 },
		.vprefix_len = WIRE_NET6_LENGTH,
		.vhost6 = { .s6_addr = WIRE_GATEWAY6 },
		.vnameserver6 = { .s6_addr = WIRE_DNS6 },
		.if_mtu = MTU,
		.if_mru = MTU,
		.disable_host_loopback = true,
		.disable_dhcp = true,
	};

	s->slirp = slirp_new(&config, &callbacks, s);
	if (!s->slirp)
		return err_set(err, ERR_FAILED, "libslirp cannot be started");
	return 0;
}

void stack_free(struct stack *s)
{
	if (s->slirp)
		slirp_cleanup(s->slirp);
	s->slirp = NULL;
}
