/* SPDX-License-Identifier: MIT */
/*
 * runner/net/policy.c - which destinations the policy lets be reached
 *
 * Pure functions over struct filter.  Runs in podflare-net.  What a range or the
 * host forbids comes before what a list allows.
 */
#include <string.h>

#include "common/util.h"
#include "runner/net/filter.h"

#define GRANT_MIN_S 300u	/* clients keep addresses longer than they may */
#define GRANT_MAX_S 86400u
#define GRANT_USED_S 60u	/* a flow goes on while it is not silent so long */
#define SECOND 1000000000ULL

void filter_set_policy(struct filter *f, const struct netpolicy *p)
{
	f->policy = *p;
	memset(f->grants, 0, sizeof(f->grants));
}

static bool port_in(const struct netpolicy_rule *r, uint16_t port)
{
	return port >= r->first && port <= r->last;
}

static bool network_allows(const struct netpolicy_rule *r,
			   const struct addr *to, enum addr_class class)
{
	bool v6 = r->kind == NETPOLICY_NET6;

	if ((!v6 && r->kind != NETPOLICY_NET4) || v6 != to->v6 ||
	    !addr_in(to, r->addr, r->length))
		return false;
	return class == ADDR_PUBLIC || addr_net_private(v6, r->addr, r->length);
}

static bool grant_allows(struct filter *f, const struct addr *to, uint16_t port,
			 uint64_t now_ns)
{
	bool found = false;

	for (unsigned int i = 0; i < FILTER_GRANTS; i++) {
		struct filter_grant *g = &f->grants[i];

		if (g->until_ns < now_ns || !addr_equal(&g->addr, to) ||
		    !port_in(&f->policy.rules[g->rule], port))
			continue;
		g->until_ns = MAX(g->until_ns, now_ns + GRANT_USED_S * SECOND);
		found = true;
	}
	return found;
}

static bool list_allows(struct filter *f, const struct addr *to, uint16_t port,
			enum addr_class class, uint64_t now_ns)
{
	for (uint32_t i = 0; i < f->policy.nr; i++)
		if (port_in(&f->policy.rules[i], port) &&
		    network_allows(&f->policy.rules[i], to, class))
			return true;
	return class == ADDR_PUBLIC && grant_allows(f, to, port, now_ns);
}

enum filter_reason filter_destination(struct filter *f, const struct addr *to,
				      uint16_t port, uint64_t now_ns)
{
	enum addr_class class = addr_classify(to);

	switch (f->policy.mode) {
	case NETPOLICY_ON:
	case NETPOLICY_ALLOW:
		break;
	default:
		return FILTER_OFF;
	}
	if (class == ADDR_NEVER)
		return FILTER_FORBIDDEN;
	if (addr_is_host(&f->host, to))
		return FILTER_HOST;
	if (f->policy.mode == NETPOLICY_ON)
		return class == ADDR_PUBLIC ? FILTER_OK : FILTER_FORBIDDEN;
	return list_allows(f, to, port, class, now_ns) ? FILTER_OK :
							 FILTER_NOT_ALLOWED;
}

/* Return: where it is already, or the one that ends first. */
static struct filter_grant *grant_slot(struct filter *f, const struct addr *to,
				       uint32_t rule)
{
	struct filter_grant *best = &f->grants[0];

	for (unsigned int i = 0; i < FILTER_GRANTS; i++) {
		struct filter_grant *g = &f->grants[i];

		if (g->until_ns && g->rule == rule && addr_equal(&g->addr, to))
			return g;
		if (g->until_ns < best->until_ns)
			best = g;
	}
	return best;
}

bool filter_grant(struct filter *f, const struct addr *to, uint32_t rule,
		  uint32_t ttl, uint64_t now_ns)
{
	struct filter_grant *g;
	uint64_t until;

	BUG_ON(rule >= f->policy.nr);
	if (addr_classify(to) != ADDR_PUBLIC || addr_is_host(&f->host, to))
		return false;
	ttl = MIN(MAX(ttl, GRANT_MIN_S), GRANT_MAX_S);
	until = now_ns + ttl * SECOND;
	g = grant_slot(f, to, rule);
	if (!g->until_ns || g->rule != rule || !addr_equal(&g->addr, to))
		*g = (struct filter_grant){ .addr = *to, .rule = rule };
	g->until_ns = MAX(g->until_ns, until);
	return true;
}

const char *filter_reason_text(enum filter_reason r)
{
	static const char *const text[FILTER_REASONS] = {
		[FILTER_OK] = "passed",
		[FILTER_RUNT] = "shorter than its headers say",
		[FILTER_ETHERTYPE] = "not IP",
		[FILTER_ARP] = "ARP for another",
		[FILTER_HEADER] = "headers at odds",
		[FILTER_OPTIONS] = "IP options",
		[FILTER_FRAGMENT] = "a fragment",
		[FILTER_SOURCE] = "not the sandbox's address",
		[FILTER_PROTOCOL] = "another protocol than TCP, UDP, echo",
		[FILTER_URGENT] = "urgent data",
		[FILTER_OFF] = "the network is off",
		[FILTER_FORBIDDEN] = "a private or special address",
		[FILTER_HOST] = "the host's own address",
		[FILTER_NOT_ALLOWED] = "not on the list",
	};

	return r < FILTER_REASONS ? text[r] : "?";
}
