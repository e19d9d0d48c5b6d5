/* SPDX-License-Identifier: MIT */
/* tests/unit/net-frame.c - frames as a guest would send them */
#include "tests/unit/net-frame.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/netwire.h"
#include "common/util.h"
#include "tests/unit/unit.h"

struct addr frame_addr(const char *text)
{
	struct addr a = { .v6 = strchr(text, ':') != NULL };

	if (inet_pton(a.v6 ? AF_INET6 : AF_INET, text, a.b) != 1)
		fail_msg("not an address: %s", text);
	return a;
}

/* Headers of Ethernet and IP. */
static void begin(struct frame_buf *f, const char *to, int protocol, size_t len)
{
	static const uint8_t macs[12] = { 0x52, 0x55, 10, 0, 2, 2,
					  2, 0x70, 0x66, 0, 0, 1 };
	static const uint8_t net6[16] = WIRE_NET6;
	struct addr a = frame_addr(to);

	memset(f, 0, sizeof(*f));
	memcpy(f->b, macs, sizeof(macs));
	f->ip = f->b + ETHER_HEADER;
	f->l4_len = len;
	if (a.v6) {
		put16(f->b + 12, ETHERTYPE6);
		f->ip[0] = 0x60;
		put16(f->ip + 4, (uint16_t)len);
		f->ip[6] = (uint8_t)protocol;
		f->ip[7] = 64;
		memcpy(f->ip + 8, net6, 16);
		f->ip[23] = 15;
		memcpy(f->ip + 24, a.b, 16);
		f->l4 = f->ip + IP6_HEADER;
	} else {
		put16(f->b + 12, ETHERTYPE4);
		f->ip[0] = 0x45;
		put16(f->ip + 2, (uint16_t)(IP4_HEADER + len));
		f->ip[8] = 64;
		f->ip[9] = (uint8_t)protocol;
		put32(f->ip + 12, WIRE_GUEST4);
		memcpy(f->ip + 16, a.b, 4);
		f->l4 = f->ip + IP4_HEADER;
	}
	f->len = (size_t)(f->l4 - f->b) + len;
	assert_true(f->len <= FRAME_MAX);
}

/* Return: where a payload has its checksum, -1: nowhere. */
static int sum_at(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return -1;
	}
}

static uint16_t payload_sum(const uint8_t *frame, const uint8_t *l4, size_t len)
{
	const uint8_t *ip = frame + ETHER_HEADER;
	bool v6 = get16(frame + 12) == ETHERTYPE6;
	uint8_t protocol = v6 ? ip[6] : ip[9];
	uint32_t sum = 0;

	if (v6)
		sum = sum_add(0, ip + 8, 32) + (uint32_t)len + protocol;
	else if (protocol != IPPROTO_ICMP)
		sum = sum_add(0, ip + 12, 8) + (uint32_t)len + protocol;
	return sum_fold(sum_add(sum, l4, len));
}

void frame_sum(struct frame_buf *f)
{
	bool v6 = get16(f->b + 12) == ETHERTYPE6;
	int at = sum_at(v6 ? f->ip[6] : f->ip[9]);

	if (!v6) {
		put16(f->ip + 10, 0);
		put16(f->ip + 10, sum_fold(sum_add(0, f->ip, IP4_HEADER)));
	}
	if (at < 0 || f->l4_len < (size_t)at + 2)
		return;
	put16(f->l4 + at, 0);
	put16(f->l4 + at, payload_sum(f->b, f->l4, f->l4_len));
}

bool frame_sums_ok(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETHER_HEADER;
	bool v6 = get16(frame + 12) == ETHERTYPE6;
	size_t header = v6 ? IP6_HEADER : IP4_HEADER;

	if (!v6 && sum_fold(sum_add(0, ip, IP4_HEADER)) != 0)
		return false;
	if (len != ETHER_HEADER + (v6 ? header + get16(ip + 4) : get16(ip + 2)))
		return false;
	return payload_sum(frame, ip + header, len - ETHER_HEADER - header) == 0;
}

void frame_make(struct frame_buf *f, const char *to, int protocol,
		uint16_t port, const void *data, size_t len)
{
	size_t header = protocol == IPPROTO_TCP ? TCP_HEADER : 8;

	if (protocol == IPPROTO_ICMP && strchr(to, ':'))
		protocol = IPPROTO_ICMPV6;
	begin(f, to, protocol, header + len);
	switch (protocol) {
	case IPPROTO_TCP:
		put16(f->l4, 40000);
		put16(f->l4 + 2, port);
		put32(f->l4 + 4, 1000);
		f->l4[12] = TCP_HEADER / 4 << 4;
		f->l4[13] = TCP_SYN;
		break;
	case IPPROTO_UDP:
		put16(f->l4, 40000);
		put16(f->l4 + 2, port);
		put16(f->l4 + 4, (uint16_t)(header + len));
		break;
	case IPPROTO_ICMP:
		f->l4[0] = ICMP4_ECHO;
		break;
	case IPPROTO_ICMPV6:
		f->l4[0] = ICMP6_ECHO;
		break;
	}
	if (len)
		memcpy(f->l4 + header, data, len);
	frame_sum(f);
}

void frame_tcp(struct frame_buf *f, const char *to, uint16_t port,
	       uint8_t flags, size_t len)
{
	static const uint8_t zeros[FRAME_MAX];

	frame_make(f, to, IPPROTO_TCP, port, zeros, len);
	f->l4[13] = flags;
	put32(f->l4 + 8, 5000);
	frame_sum(f);
}

struct filter_verdict frame_judge(struct filter *f, const struct frame_buf *b)
{
	/* at the end of an allocation of its own: what is read behind the frame
	 * is seen by the sanitizer */
	uint8_t *copy = malloc(b->len ? b->len : 1);
	struct filter_verdict v;

	memcpy(copy, b->b, b->len);
	v = filter_verdict(f, copy, b->len, 1000000000000ULL);
	free(copy);
	return v;
}
