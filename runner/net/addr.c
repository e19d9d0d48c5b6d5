/* SPDX-License-Identifier: MIT */
/*
 * runner/net/addr.c - addresses, and which of them are nobody's business
 *
 * Pure functions. Runs in podflare-net.
 *
 * Theory of operation: for IPv4 a list of what is not public; for IPv6 the other
 * way round, what is not in 2000::/3 is not reachable, nor are a few ranges in
 * it. Forms of IPv6 that carry an IPv4 address are refused, so that nothing
 * forbidden can be reached by another name; NAT64 of the well-known prefix alone
 * is judged by the address in it, since a host may have no other way.
 */
#include "runner/net/addr.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/netwire.h"
#include "common/util.h"

struct range {
	uint8_t net[16];
	uint8_t bits;
	enum addr_class class;
};

/* The first that fits counts. */
static const struct range ranges4[] = {
	{ { 10, 0, 2 }, 24, ADDR_NEVER },	/* our own wire */
	{ { 100, 100, 100, 200 }, 32, ADDR_NEVER },	/* metadata */
	{ { 168, 63, 129, 16 }, 32, ADDR_NEVER },	/* metadata */
	{ { 0 }, 8, ADDR_NEVER },		/* this network */
	{ { 10 }, 8, ADDR_PRIVATE },
	{ { 100, 64 }, 10, ADDR_PRIVATE },	/* carriers' */
	{ { 127 }, 8, ADDR_NEVER },
	{ { 169, 254 }, 16, ADDR_NEVER },	/* link-local, metadata */
	{ { 172, 16 }, 12, ADDR_PRIVATE },
	{ { 192, 0, 0 }, 24, ADDR_NEVER },	/* protocols', metadata */
	{ { 192, 88, 99 }, 24, ADDR_NEVER },	/* 6to4 relays */
	{ { 192, 168 }, 16, ADDR_PRIVATE },
	{ { 198, 18 }, 15, ADDR_PRIVATE },	/* benchmarks */
	{ { 224 }, 4, ADDR_NEVER },		/* multicast */
	{ { 240 }, 4, ADDR_NEVER },		/* reserved, broadcast */
};

static const struct range ranges6[] = {
	{ WIRE_NET6, WIRE_NET6_LENGTH, ADDR_NEVER },
	{ { 0xfd, 0x00, 0x0e, 0xc2 }, 32, ADDR_NEVER },	/* metadata */
	{ { 0xfd, 0x20, 0x00, 0xce }, 32, ADDR_NEVER },	/* metadata */
	{ { 0xfc }, 7, ADDR_PRIVATE },
	{ { 0x20, 0x01, 0x00, 0x00 }, 32, ADDR_NEVER },	/* Teredo */
	{ { 0x20, 0x01, 0x00, 0x02 }, 48, ADDR_PRIVATE },	/* benchmarks */
	{ { 0x20, 0x01, 0x00, 0x10 }, 28, ADDR_NEVER },	/* ORCHID */
	{ { 0x20, 0x01, 0x00, 0x20 }, 28, ADDR_NEVER },	/* ORCHIDv2 */
	{ { 0x20, 0x02 }, 16, ADDR_NEVER },		/* 6to4 */
	{ { 0x20 }, 3, ADDR_PUBLIC },
	{ { 0 }, 0, ADDR_NEVER },
};

static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

struct addr addr_v4(uint32_t v)
{
	struct addr a = { .v6 = false };

	for (int i = 0; i < 4; i++)
		a.b[i] = (uint8_t)(v >> (24 - 8 * i));
	return a;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->v6 == b->v6 && memcmp(a->b, b->b, a->v6 ? 16 : 4) == 0;
}

bool addr_in(const struct addr *a, const uint8_t *net, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(a->b, net, whole) != 0)
		return false;
	return rest == 0 || ((a->b[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

static bool is_nat64(const struct addr *a)
{
	return a->v6 && memcmp(a->b, nat64, sizeof(nat64)) == 0;
}

/* The IPv4 address in the last four bytes. */
static struct addr tail4(const struct addr *a)
{
	struct addr v4 = { .v6 = false };

	memcpy(v4.b, a->b + 12, 4);
	return v4;
}

enum addr_class addr_classify(const struct addr *a)
{
	const struct range *r = a->v6 ? ranges6 : ranges4;
	size_t n = a->v6 ? ARRAY_SIZE(ranges6) : ARRAY_SIZE(ranges4);

	if (is_nat64(a)) {
		struct addr v4 = tail4(a);

		return addr_classify(&v4) == ADDR_PUBLIC ? ADDR_PUBLIC :
							   ADDR_NEVER;
	}
	for (size_t i = 0; i < n; i++)
		if (addr_in(a, r[i].net, r[i].bits))
			return r[i].class;
	return ADDR_PUBLIC;
}

bool addr_net_private(bool v6, const uint8_t *net, unsigned int bits)
{
	const struct range *r = v6 ? ranges6 : ranges4;
	size_t n = v6 ? ARRAY_SIZE(ranges6) : ARRAY_SIZE(ranges4);
	struct addr a = { .v6 = v6 };

	memcpy(a.b, net, v6 ? 16 : 4);
	for (size_t i = 0; i < n; i++)
		if (r[i].class == ADDR_PRIVATE && bits >= r[i].bits &&
		    addr_in(&a, r[i].net, r[i].bits))
			return true;
	return false;
}

bool addr_is_host(const struct addr_host *h, const struct addr *a)
{
	if (h->overflow)
		return true;
	if (is_nat64(a)) {
		struct addr v4 = tail4(a);

		if (addr_is_host(h, &v4))
			return true;
	}
	for (unsigned int i = 0; i < h->nr; i++)
		if (addr_equal(&h->list[i], a))
			return true;
	return false;
}

void addr_host_add(struct addr_host *h, const struct addr *a)
{
	if (h->nr == ADDR_HOST_MAX)
		h->overflow = true;
	else
		h->list[h->nr++] = *a;
}

const char *addr_text(const struct addr *a, char *buf)
{
	inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->b, buf, INET6_ADDRSTRLEN);
	return buf;
}
