/* SPDX-License-Identifier: MIT */
/*
 * runner/net/filter.c - which of a guest's frames may go on: the headers
 *
 * Pure functions over one struct.  Runs in podflare-net on every frame that the
 * guest sends.  Distrusts each byte of it.
 */
#include "runner/net/filter.h"

#include <netinet/in.h>
#include <string.h>

#include "common/netwire.h"
#include "common/util.h"
#include "runner/net/packet.h"

static const uint8_t net6[16] = WIRE_NET6;
static const uint8_t gateway6[16] = WIRE_GATEWAY6;
static const uint8_t dns6[16] = WIRE_DNS6;
static const uint8_t link_local6[2] = { 0xfe, 0x80 };

/* What is behind the IP header, all of it there. */
struct payload {
	const uint8_t *p;
	size_t len;
	struct addr from;
	uint8_t hops;
};

static struct filter_verdict drop(struct filter_verdict v,
				  enum filter_reason why)
{
	v.action = FILTER_DROP;
	v.reason = why;
	return v;
}

static struct filter_verdict pass(struct filter_verdict v)
{
	v.action = FILTER_PASS;
	v.reason = FILTER_OK;
	return v;
}

/* To many at once: nobody is told of an error there. */
static bool to_many(const struct addr *a)
{
	if (a->v6)
		return a->b[0] == 0xff;
	return a->b[0] >= 224 ||
	       get32(a->b) == (WIRE_NET4 | ~WIRE_MASK4);
}

static struct filter_verdict refuse(struct filter_verdict v,
				    enum filter_reason why)
{
	v.action = to_many(&v.to) ? FILTER_DROP : FILTER_REFUSE;
	v.reason = why;
	return v;
}

/* Ask who has an address of the wire, or tell the own one. */
static struct filter_verdict judge_arp(const uint8_t *p, size_t len)
{
	/* Ethernet and IPv4; a question or an answer */
	static const uint8_t kind[7] = { 0, 1, 8, 0, 6, 4, 0 };
	struct filter_verdict v = { .action = FILTER_PASS };
	uint32_t from;

	if (len < 28)
		return drop(v, FILTER_RUNT);
	from = get32(p + 14);
	if (memcmp(p, kind, sizeof(kind)) != 0 || (p[7] != 1 && p[7] != 2) ||
	    (from != WIRE_GUEST4 && from != 0))
		return drop(v, FILTER_ARP);
	return v;
}

/* Where it goes is known: to.addr and port. */
static struct filter_verdict judge_destination(struct filter *f,
					       struct filter_verdict v,
					       uint64_t now_ns)
{
	enum filter_reason why = filter_destination(f, &v.to, v.port, now_ns);

	return why == FILTER_OK ? pass(v) : refuse(v, why);
}

static bool is_dns(const struct filter_verdict *v)
{
	if (v->port != 53)
		return false;
	return v->to.v6 ? memcmp(v->to.b, dns6, 16) == 0 :
			  get32(v->to.b) == WIRE_DNS4;
}

static struct filter_verdict judge_tcp(struct filter *f, struct filter_verdict v,
				       const struct payload *d, uint64_t now_ns)
{
	size_t header;

	if (d->len < TCP_HEADER)
		return drop(v, FILTER_RUNT);
	v.port = get16(d->p + 2);
	header = (size_t)(d->p[12] >> 4) * 4;
	if (header < TCP_HEADER || header > d->len)
		return drop(v, FILTER_HEADER);
	if (d->p[13] & TCP_URG)
		return drop(v, FILTER_URGENT);
	if (is_dns(&v) && f->policy.mode == NETPOLICY_ON)
		return pass(v);
	return judge_destination(f, v, now_ns);
}

static struct filter_verdict judge_udp(struct filter *f, struct filter_verdict v,
				       const struct payload *d, uint64_t now_ns)
{
	uint16_t len;

	if (d->len < UDP_HEADER)
		return drop(v, FILTER_RUNT);
	v.port = get16(d->p + 2);
	len = get16(d->p + 4);
	if (len < UDP_HEADER || len != d->len)
		return drop(v, FILTER_HEADER);
	if (is_dns(&v)) {
		if (f->policy.mode == NETPOLICY_ON)
			return pass(v);
		if (f->policy.mode == NETPOLICY_ALLOW) {
			v.action = FILTER_DNS;
			return v;
		}
	}
	return judge_destination(f, v, now_ns);
}

static struct filter_verdict judge_icmp(struct filter *f,
					struct filter_verdict v,
					const struct payload *d, uint64_t now_ns)
{
	bool gateway = v.to.v6 ? memcmp(v.to.b, gateway6, 16) == 0 :
				 get32(v.to.b) == WIRE_GATEWAY4;

	if (d->len < ICMP_HEADER)
		return drop(v, FILTER_RUNT);
	if (d->p[0] != (v.to.v6 ? ICMP6_ECHO : ICMP4_ECHO) || d->p[1] != 0)
		return drop(v, FILTER_PROTOCOL);
	if (gateway)
		return pass(v);
	v = judge_destination(f, v, now_ns);
	/* libslirp can do no pings of IPv6, and writes a log about each */
	if (v.to.v6 && v.action == FILTER_PASS)
		return refuse(v, FILTER_PROTOCOL);
	return v;
}

/* Neighbours and routers, on the wire alone (RFC 4861: a hop limit of 255 says
 * that it was not forwarded). */
static bool is_discovery(const struct filter_verdict *v, const struct payload *d)
{
	if (d->len < ICMP_HEADER || d->hops != 255 || d->p[1] != 0)
		return false;
	switch (d->p[0]) {
	case ICMP6_SOLICIT_ROUTER:
		break;
	case ICMP6_SOLICIT:
	case ICMP6_ADVERT:
		if (d->len < 24)
			return false;
		break;
	default:
		return false;
	}
	return (v->to.b[0] == 0xff && (v->to.b[1] & 0x0f) == 2) ||
	       addr_in(&v->to, link_local6, 10) ||
	       addr_in(&v->to, net6, WIRE_NET6_LENGTH);
}

static struct filter_verdict judge_payload(struct filter *f,
					   struct filter_verdict v,
					   const struct payload *d,
					   uint64_t now_ns)
{
	switch (v.protocol) {
	case IPPROTO_TCP:
		return judge_tcp(f, v, d, now_ns);
	case IPPROTO_UDP:
		return judge_udp(f, v, d, now_ns);
	case IPPROTO_ICMP:
		if (!v.to.v6)
			return judge_icmp(f, v, d, now_ns);
		break;
	case IPPROTO_ICMPV6:
		if (v.to.v6)
			return judge_icmp(f, v, d, now_ns);
		break;
	}
	return drop(v, FILTER_PROTOCOL);
}

static struct filter_verdict judge_ip4(struct filter *f, const uint8_t *p,
				       size_t len, uint64_t now_ns)
{
	struct filter_verdict v = { .action = FILTER_DROP };
	struct payload d = { .p = p + IP4_HEADER };
	uint16_t total;

	if (len < IP4_HEADER)
		return drop(v, FILTER_RUNT);
	memcpy(v.to.b, p + 16, 4);
	v.protocol = p[9];
	total = get16(p + 2);
	if (p[0] >> 4 != 4 || (p[0] & 0x0f) < 5 || total < IP4_HEADER)
		return drop(v, FILTER_HEADER);
	if (total > len)
		return drop(v, FILTER_RUNT);
	if ((p[0] & 0x0f) > 5)
		return drop(v, FILTER_OPTIONS);
	/* more of them, or not the first; the reserved bit as well */
	if (get16(p + 6) & 0xbfff)
		return drop(v, FILTER_FRAGMENT);
	if (get32(p + 12) != WIRE_GUEST4)
		return drop(v, FILTER_SOURCE);
	d.len = total - IP4_HEADER;
	return judge_payload(f, v, &d, now_ns);
}

static struct filter_verdict judge_ip6(struct filter *f, const uint8_t *p,
				       size_t len, uint64_t now_ns)
{
	struct filter_verdict v = { .to = { .v6 = true } };
	struct payload d = { .p = p + IP6_HEADER, .from = { .v6 = true } };

	if (len < IP6_HEADER)
		return drop(v, FILTER_RUNT);
	memcpy(v.to.b, p + 24, 16);
	memcpy(d.from.b, p + 8, 16);
	v.protocol = p[6];
	d.hops = p[7];
	d.len = get16(p + 4);
	if (p[0] >> 4 != 6)
		return drop(v, FILTER_HEADER);
	if (d.len > len - IP6_HEADER)
		return drop(v, FILTER_RUNT);
	switch (v.protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return drop(v, FILTER_OPTIONS);
	case IPPROTO_FRAGMENT:
		return drop(v, FILTER_FRAGMENT);
	case IPPROTO_ICMPV6:
		if (is_discovery(&v, &d))
			return pass(v);
		break;
	}
	if (!addr_in(&d.from, net6, WIRE_NET6_LENGTH))
		return drop(v, FILTER_SOURCE);
	return judge_payload(f, v, &d, now_ns);
}

static struct filter_verdict judge(struct filter *f, const uint8_t *frame,
				   size_t len, uint64_t now_ns)
{
	const struct filter_verdict none = { .action = FILTER_DROP };
	const uint8_t *p = frame + ETHER_HEADER;

	if (len < ETHER_HEADER)
		return drop(none, FILTER_RUNT);
	len -= ETHER_HEADER;
	switch (get16(frame + 12)) {
	case ETHERTYPE_ARP:
		return judge_arp(p, len);
	case ETHERTYPE4:
		return judge_ip4(f, p, len, now_ns);
	case ETHERTYPE6:
		if (f->v6)
			return judge_ip6(f, p, len, now_ns);
		break;
	}
	return drop(none, FILTER_ETHERTYPE);
}

struct filter_verdict filter_verdict(struct filter *f, const uint8_t *frame,
				     size_t len, uint64_t now_ns)
{
	struct filter_verdict v = judge(f, frame, len, now_ns);

	f->counts[v.reason]++;
	return v;
}
