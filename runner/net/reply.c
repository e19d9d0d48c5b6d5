/* SPDX-License-Identifier: MIT */
/*
 * runner/net/reply.c - tell a guest at once that a destination is refused
 *
 * Pure functions.  Runs in podflare-net on frames whose headers the filter has
 * found to be whole; their other bytes are the guest's, and go back to none but
 * the guest.
 */
#include "runner/net/reply.h"

#include <netinet/in.h>
#include <string.h>

#include "common/netwire.h"
#include "common/util.h"
#include "runner/net/packet.h"

#define ICMP4_UNREACHABLE 3
#define ICMP4_PROHIBITED 13
#define ICMP6_UNREACHABLE 1
#define ICMP6_PROHIBITED 1
#define TTL 64

static const uint8_t gateway6[16] = WIRE_GATEWAY6;

/* The addresses of a packet, as they lie in it. */
struct ends {
	bool v6;
	const uint8_t *from, *to;
	size_t len;		/* of each */
};

static struct ends ends_of(const uint8_t *frame)
{
	const uint8_t *ip = frame + ETHER_HEADER;

	if (get16(frame + 12) == ETHERTYPE6)
		return (struct ends){ true, ip + 8, ip + 24, 16 };
	return (struct ends){ false, ip + 12, ip + 16, 4 };
}

/* Headers of Ethernet and IP, back to the sender of @frame. @param from, NULL: the
 * one that it was for. Return: where the payload begins. */
static uint8_t *back(const uint8_t *frame, const uint8_t *from, uint8_t protocol,
		     size_t len, uint8_t *out)
{
	struct ends e = ends_of(frame);
	uint8_t *ip = out + ETHER_HEADER;

	if (!from)
		from = e.to;
	memcpy(out, frame + 6, 6);
	memcpy(out + 6, frame, 6);
	if (out[6] & 1)			/* it was for a group */
		out[6] = 0x02;
	put16(out + 12, e.v6 ? ETHERTYPE6 : ETHERTYPE4);
	if (e.v6) {
		memset(ip, 0, IP6_HEADER);
		ip[0] = 0x60;
		put16(ip + 4, (uint16_t)len);
		ip[6] = protocol;
		ip[7] = TTL;
		memcpy(ip + 8, from, 16);
		memcpy(ip + 24, e.from, 16);
		return ip + IP6_HEADER;
	}
	memset(ip, 0, IP4_HEADER);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(IP4_HEADER + len));
	put16(ip + 6, 0x4000);		/* do not fragment */
	ip[8] = TTL;
	ip[9] = protocol;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, e.from, 4);
	put16(ip + 10, sum_fold(sum_add(0, ip, IP4_HEADER)));
	return ip + IP4_HEADER;
}

/* Of a payload behind the header that back() wrote. */
static uint16_t checksum(const uint8_t *out, uint8_t protocol, const uint8_t *p,
			 size_t len)
{
	struct ends e = ends_of(out);
	uint32_t sum = 0;

	if (e.v6 || protocol != IPPROTO_ICMP) {
		sum = sum_add(sum, e.from, e.len);
		sum = sum_add(sum, e.to, e.len);
		sum += (uint32_t)len + protocol;
	}
	return sum_fold(sum_add(sum, p, len));
}

static size_t finish(const uint8_t *out, const uint8_t *p, size_t len)
{
	return (size_t)(p - out) + len;
}

static size_t unreachable(const uint8_t *frame, const struct filter_verdict *v,
			  uint8_t *out)
{
	const uint8_t *ip = frame + ETHER_HEADER;
	uint8_t protocol = v->to.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	uint8_t from[16];
	size_t quote, len;
	uint8_t *p;

	/* RFC 792: the header and 8 bytes; RFC 4443: what fits 1280 bytes */
	if (v->to.v6) {
		memcpy(from, gateway6, 16);
		quote = MIN(IP6_HEADER + get16(ip + 4),
			    1280 - IP6_HEADER - ICMP_HEADER);
	} else {
		put32(from, WIRE_GATEWAY4);
		quote = MIN(get16(ip + 2), IP4_HEADER + 8);
	}
	len = ICMP_HEADER + quote;
	p = back(frame, from, protocol, len, out);
	memset(p, 0, ICMP_HEADER);
	p[0] = v->to.v6 ? ICMP6_UNREACHABLE : ICMP4_UNREACHABLE;
	p[1] = v->to.v6 ? ICMP6_PROHIBITED : ICMP4_PROHIBITED;
	memcpy(p + ICMP_HEADER, ip, quote);
	put16(p + 2, checksum(out, protocol, p, len));
	return finish(out, p, len);
}

/* RFC 9293, 3.10.7.1 */
static size_t reset(const uint8_t *frame, const struct filter_verdict *v,
		    uint8_t *out)
{
	const uint8_t *ip = frame + ETHER_HEADER;
	const uint8_t *tcp = ip + (v->to.v6 ? IP6_HEADER : IP4_HEADER);
	size_t all = v->to.v6 ? get16(ip + 4) : get16(ip + 2) - IP4_HEADER;
	size_t data = all - (size_t)(tcp[12] >> 4) * 4;
	uint8_t flags = tcp[13];
	uint8_t *p = back(frame, NULL, IPPROTO_TCP, TCP_HEADER, out);

	memset(p, 0, TCP_HEADER);
	put16(p, get16(tcp + 2));
	put16(p + 2, get16(tcp));
	p[12] = TCP_HEADER / 4 << 4;
	if (flags & TCP_ACK) {
		put32(p + 4, get32(tcp + 8));
		p[13] = TCP_RST;
	} else {
		put32(p + 8, get32(tcp + 4) + (uint32_t)data +
			     !!(flags & TCP_SYN) + !!(flags & TCP_FIN));
		p[13] = TCP_RST | TCP_ACK;
	}
	put16(p + 16, checksum(out, IPPROTO_TCP, p, TCP_HEADER));
	return finish(out, p, TCP_HEADER);
}

size_t reply_build(const uint8_t *frame, const struct filter_verdict *v,
		   uint8_t *out)
{
	const uint8_t *p = frame + ETHER_HEADER +
			   (v->to.v6 ? IP6_HEADER : IP4_HEADER);

	if (v->action != FILTER_REFUSE)
		return 0;
	if (v->protocol != IPPROTO_TCP)
		return unreachable(frame, v, out);
	if (p[13] & TCP_RST)
		return 0;
	if ((p[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return unreachable(frame, v, out);
	return reset(frame, v, out);
}

size_t reply_udp(const uint8_t *frame, const uint8_t *data, size_t len,
		 uint8_t *out)
{
	bool v6 = get16(frame + 12) == ETHERTYPE6;
	const uint8_t *udp = frame + ETHER_HEADER +
			     (v6 ? IP6_HEADER : IP4_HEADER);
	uint8_t *p = back(frame, NULL, IPPROTO_UDP, UDP_HEADER + len, out);
	uint16_t sum;

	put16(p, get16(udp + 2));
	put16(p + 2, get16(udp));
	put16(p + 4, (uint16_t)(UDP_HEADER + len));
	put16(p + 6, 0);
	memcpy(p + UDP_HEADER, data, len);
	sum = checksum(out, IPPROTO_UDP, p, UDP_HEADER + len);
	put16(p + 6, sum ? sum : 0xffff);
	return finish(out, p, UDP_HEADER + len);
}
