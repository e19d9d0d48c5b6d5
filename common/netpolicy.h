/* SPDX-License-Identifier: MIT */
/*
 * common/netpolicy.h - what of the network a sandbox may reach
 *
 *	on			the internet, nothing of the host's or its networks
 *	off			nothing
 *	allow=ITEM,ITEM...	these alone; an ITEM is
 *		NAME or *.NAME		a host name; all names below one
 *		ADDRESS[/LENGTH]	IPv4, or [IPv6]
 *		each with :PORT or :FIRST-LAST behind it
 *
 * A private address (10.0.0.0/8 ...) can be reached only when an ITEM is inside
 * of that private range, never by its name.  The host's own addresses, loopback,
 * link-local and metadata addresses can not be reached at all.
 */
#ifndef PODFLARE_COMMON_NETPOLICY_H
#define PODFLARE_COMMON_NETPOLICY_H

#include <stdbool.h>

#include "common/err.h"

#define NETPOLICY_RULES_MAX 64
#define NETPOLICY_NAME_MAX 253	/* of a DNS name */

enum netpolicy_mode { NETPOLICY_OFF, NETPOLICY_ON, NETPOLICY_ALLOW };

enum netpolicy_kind {
	NETPOLICY_NAME = 1,
	NETPOLICY_SUFFIX,	/* any name that ends in "." and this one */
	NETPOLICY_NET4,
	NETPOLICY_NET6,
};

struct netpolicy_rule {
	uint8_t kind;			/* enum netpolicy_kind */
	uint8_t length;			/* of a network's prefix */
	uint16_t first, last;		/* ports; 0 to 65535: all, and no port */
	uint8_t addr[16];		/* a network's, the rest is zero */
	char name[NETPOLICY_NAME_MAX + 1];	/* lower case, no dot at its end */
};

/* It goes over a socket as it is: all zero is "off". */
struct netpolicy {
	uint32_t mode;			/* enum netpolicy_mode */
	uint32_t nr;
	struct netpolicy_rule rules[NETPOLICY_RULES_MAX];
};

/* Return: 0, or -1 with @err, and "off" in @p. */
int netpolicy_parse(struct netpolicy *p, const char *text, struct err *err);
/* Return: whether what came over a socket is in itself right; else it is made
 * "off". */
bool netpolicy_check(struct netpolicy *p);
/* Return: whether @name is a host name in the rules' form. */
bool netpolicy_name_ok(const char *name);
/* Return: whether the rule is for that name (in the rules' form). */
bool netpolicy_name_matches(const struct netpolicy_rule *r, const char *name);

#endif
