/* SPDX-License-Identifier: MIT */
/* runner/net/addr.h - addresses, and which of them are nobody's business */
#ifndef PODFLARE_NET_ADDR_H
#define PODFLARE_NET_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#define ADDR_HOST_MAX 512

struct addr {
	bool v6;
	uint8_t b[16];		/* network order; IPv4: the first four */
};

enum addr_class {
	ADDR_PUBLIC,
	ADDR_PRIVATE,	/* reachable when a policy names it, or a part of its
			 * range */
	ADDR_NEVER,
};

/* What the host itself answers to, its broadcast addresses included. */
struct addr_host {
	unsigned int nr;
	bool overflow;		/* there are more: nothing can be told apart */
	struct addr list[ADDR_HOST_MAX];
};

struct addr addr_v4(uint32_t host_order);
bool addr_equal(const struct addr *a, const struct addr *b);
/* Return: whether the first @bits of @a are those of @net. */
bool addr_in(const struct addr *a, const uint8_t *net, unsigned int bits);
/* By its range alone. An address that wraps an IPv4 address is as that one is, or
 * is never reachable. */
enum addr_class addr_classify(const struct addr *a);
/* Return: whether a prefix lies wholly inside one private range. */
bool addr_net_private(bool v6, const uint8_t *net, unsigned int bits);
/* Return: whether it is the host's, also when wrapped. */
bool addr_is_host(const struct addr_host *h, const struct addr *a);
void addr_host_add(struct addr_host *h, const struct addr *a);
/* Text for logs. @param buf of 46 bytes. Return: @buf. */
const char *addr_text(const struct addr *a, char *buf);

#endif
