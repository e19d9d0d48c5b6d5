/* SPDX-License-Identifier: MIT */
/*
 * runner/net/resolver.c - the names of a list, asked of the host's name server
 *
 * Runs in podflare-net.  Distrusts the guest, whose questions are bounded in number
 * and time, and the server, whose answers are read as dns.c does.
 */
#include "runner/net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/util.h"
#include "runner/net/packet.h"
#include "runner/net/reply.h"

#define WAIT_MS 5000u
#define TTL_MAX 300u		/* so that a guest asks again before grants end */
#define RESOLV "/etc/resolv.conf"

void resolver_init(struct resolver *r, struct filter *filter,
		   void (*send)(void *arg, const void *frame, size_t len),
		   void *arg)
{
	r->filter = filter;
	r->send = send;
	r->arg = arg;
	for (int i = 0; i < RESOLVER_MAX; i++)
		r->queries[i].fd = -1;
}

static void end(struct resolver_query *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
}

void resolver_free(struct resolver *r)
{
	for (int i = 0; i < RESOLVER_MAX && r->send; i++)
		end(&r->queries[i]);
}

/* ---- the host's name server */

/* The first one that resolv.conf names. Return: length of the address, 0. */
static socklen_t find_server(struct sockaddr_storage *to)
{
	CLEANUP_FILE FILE *f = fopen(RESOLV, "re");
	struct sockaddr_in *v4 = (void *)to;
	struct sockaddr_in6 *v6 = (void *)to;
	char line[512], text[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "nameserver %63s", text) != 1)
			continue;
		memset(to, 0, sizeof(*to));
		if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
			v4->sin_family = AF_INET;
			v4->sin_port = htons(53);
			return sizeof(*v4);
		}
		if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
			v6->sin6_family = AF_INET6;
			v6->sin6_port = htons(53);
			return sizeof(*v6);
		}
	}
	return 0;
}

/* Return: a socket that has asked, -1. */
static int ask(const struct dns_question *q, uint16_t id)
{
	struct sockaddr_storage to;
	socklen_t len = find_server(&to);
	uint8_t m[DNS_MAX];
	size_t size = dns_make_question(q, id, m);
	int fd;

	if (len == 0)
		return -1;
	fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, len) == 0 &&
	    send(fd, m, size, MSG_NOSIGNAL) == (ssize_t)size)
		return fd;
	close(fd);
	return -1;
}

/* ---- the guest */

static void answer(struct resolver *r, const uint8_t *frame,
		   const struct dns_question *q, const struct dns_answer *a)
{
	uint8_t m[DNS_MAX], out[DNS_MAX + 62];
	size_t len = dns_make_answer(q, a, m);

	r->send(r->arg, out, reply_udp(frame, m, len, out));
}

/* Return: whether a rule is for that name. */
static bool is_listed(const struct resolver *r, const char *name)
{
	const struct netpolicy *p = &r->filter->policy;

	for (uint32_t i = 0; i < p->nr; i++)
		if (netpolicy_name_matches(&p->rules[i], name))
			return true;
	return false;
}

static struct resolver_query *free_query(struct resolver *r)
{
	for (int i = 0; i < RESOLVER_MAX; i++)
		if (r->queries[i].fd < 0)
			return &r->queries[i];
	return NULL;
}

/* Return: DNS_OK: it is asked; or what is to be answered, with no address. */
static enum dns_rcode start(struct resolver *r, const uint8_t *frame,
			    size_t headers, const struct dns_question *q,
			    uint64_t now_ns)
{
	struct resolver_query *slot = free_query(r);
	uint16_t id;

	if (!slot || getrandom(&id, sizeof(id), 0) != sizeof(id))
		return DNS_FAILED;
	slot->fd = ask(q, id);
	if (slot->fd < 0)
		return DNS_FAILED;
	slot->id = id;
	slot->question = *q;
	slot->until_ns = now_ns + WAIT_MS * 1000000ULL;
	memcpy(slot->frame, frame, headers);
	return DNS_OK;
}

void resolver_take(struct resolver *r, const uint8_t *frame, size_t len,
		   uint64_t now_ns)
{
	bool v6 = get16(frame + 12) == ETHERTYPE6;
	size_t headers = ETHER_HEADER + (v6 ? IP6_HEADER : IP4_HEADER) +
			 UDP_HEADER;
	struct dns_answer a = { .nr = 0 };
	struct dns_question q;
	size_t size;

	/* the filter has seen that it is as long; padding may come behind it */
	size = get16(frame + headers - UDP_HEADER + 4) - UDP_HEADER;
	if (dns_read_question(frame + headers, MIN(size, len - headers), &q,
			      &a.rcode) < 0) {
		if (a.rcode != DNS_OK)
			answer(r, frame, &q, &a);
		return;
	}
	if (!is_listed(r, q.name))
		a.rcode = DNS_REFUSED;
	else if (q.type != DNS_A && q.type != DNS_AAAA)
		a.rcode = DNS_OK;	/* none of that kind */
	else if ((a.rcode = start(r, frame, headers, &q, now_ns)) == DNS_OK)
		return;
	answer(r, frame, &q, &a);
}

/* Addresses that may be reached, for each rule that is for the name. */
static void grant(struct resolver *r, const struct dns_question *q,
		  struct dns_answer *a, uint64_t now_ns)
{
	const struct netpolicy *p = &r->filter->policy;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < a->nr; i++) {
		bool may = false;

		for (uint32_t n = 0; n < p->nr; n++)
			if (netpolicy_name_matches(&p->rules[n], q->name) &&
			    filter_grant(r->filter, &a->addrs[i], n, a->ttl,
					 now_ns))
				may = true;
		if (may)
			a->addrs[kept++] = a->addrs[i];
	}
	a->nr = kept;
	a->ttl = MIN(a->ttl, TTL_MAX);
}

static void receive(struct resolver *r, struct resolver_query *q,
		    uint64_t now_ns)
{
	uint8_t m[4096];
	struct dns_answer a = { .rcode = DNS_FAILED };
	ssize_t n = recv(q->fd, m, sizeof(m), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* what is no answer may have been made up by somebody: wait on */
	if (n >= 0 && dns_read_answer(m, (size_t)n, &q->question, q->id,
				      &a) < 0)
		return;
	grant(r, &q->question, &a, now_ns);
	answer(r, q->frame, &q->question, &a);
	end(q);
}

int resolver_fill(struct resolver *r, struct stack_polls *p, int *timeout_ms,
		  uint64_t now_ns)
{
	r->first = p->nr;
	for (int i = 0; i < RESOLVER_MAX; i++) {
		const struct resolver_query *q = &r->queries[i];
		struct pollfd *f = stack_polls_add(p);
		uint64_t left;

		if (!f)
			return -1;
		*f = (struct pollfd){ .fd = q->fd, .events = POLLIN };
		if (q->fd < 0)
			continue;
		left = q->until_ns > now_ns ?
		       (q->until_ns - now_ns) / 1000000 + 1 : 0;
		if (*timeout_ms < 0 || left < (uint64_t)*timeout_ms)
			*timeout_ms = (int)left;
	}
	return 0;
}

void resolver_run(struct resolver *r, const struct stack_polls *p,
		  uint64_t now_ns)
{
	for (int i = 0; i < RESOLVER_MAX; i++) {
		struct resolver_query *q = &r->queries[i];
		const struct dns_answer late = { .rcode = DNS_FAILED };

		if (q->fd < 0)
			continue;
		if (p->fds[r->first + (unsigned int)i].revents)
			receive(r, q, now_ns);
		if (q->fd >= 0 && q->until_ns <= now_ns) {
			answer(r, q->frame, &q->question, &late);
			end(q);
		}
	}
}
