/* SPDX-License-Identifier: MIT */
/*
 * runner/net/filter.h - which of a guest's frames may go on, and where to
 *
 * Theory of operation: every frame of the guest is judged by itself, before
 * anything else sees it, by where it goes: flows need no table, and a policy that
 * changes holds for those that are under way.  What is not understood to its last
 * header is dropped: other protocols, VLANs, fragments, IP options, extension
 * headers, urgent data, addresses that are not the guest's.
 */
#ifndef PODFLARE_NET_FILTER_H
#define PODFLARE_NET_FILTER_H

#include <stddef.h>

#include "common/netpolicy.h"
#include "runner/net/addr.h"

#define FILTER_GRANTS 1024	/* addresses that names stand for, at once */

enum filter_action {
	FILTER_DROP,
	FILTER_PASS,
	FILTER_REFUSE,		/* tell the guest, see reply.h */
	FILTER_DNS,		/* a question for our own stub */
};

enum filter_reason {
	FILTER_OK,
	FILTER_RUNT,		/* shorter than its headers say */
	FILTER_ETHERTYPE,
	FILTER_ARP,
	FILTER_HEADER,		/* no IP header, or one at odds with itself */
	FILTER_OPTIONS,		/* IP options, extension headers */
	FILTER_FRAGMENT,
	FILTER_SOURCE,		/* not the guest's address */
	FILTER_PROTOCOL,
	FILTER_URGENT,
	FILTER_OFF,		/* the policy is "off" */
	FILTER_FORBIDDEN,	/* an address that is nobody's business */
	FILTER_HOST,		/* the host's own */
	FILTER_NOT_ALLOWED,	/* not on the list */
	FILTER_REASONS
};

/* An address that our stub gave out for a name of the list. */
struct filter_grant {
	struct addr addr;
	uint32_t rule;		/* of the policy */
	uint64_t until_ns;	/* 0: free */
};

struct filter {
	struct netpolicy policy;
	bool v6;		/* IPv6 is on this wire */
	struct addr_host host;
	struct filter_grant grants[FILTER_GRANTS];
	uint64_t counts[FILTER_REASONS];
};

struct filter_verdict {
	enum filter_action action;
	enum filter_reason reason;
	uint8_t protocol;	/* IPPROTO_*, 0: no IP */
	uint16_t port;		/* 0: none */
	struct addr to;
};

/* @param p checked (netpolicy_check()); grants of an earlier one end */
void filter_set_policy(struct filter *f, const struct netpolicy *p);
/* Judge a frame of the guest, and count it. Return: with to, protocol and port
 * where they were found. */
struct filter_verdict filter_verdict(struct filter *f, const uint8_t *frame,
				     size_t len, uint64_t now_ns);
/* Return: whether a destination may be reached. @param port 0 for ICMP */
enum filter_reason filter_destination(struct filter *f, const struct addr *to,
				      uint16_t port, uint64_t now_ns);
/* @to is what a name of rule @rule stands for, for @ttl seconds at least.
 * Return: whether it is an address that can be reached; else the guest need not
 * be told of it. */
bool filter_grant(struct filter *f, const struct addr *to, uint32_t rule,
		  uint32_t ttl, uint64_t now_ns);
/* "not on the list", ... */
const char *filter_reason_text(enum filter_reason r);

#endif
