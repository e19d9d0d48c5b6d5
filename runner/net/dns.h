/* SPDX-License-Identifier: MIT */
/*
 * runner/net/dns.h - questions for names, and their answers (RFC 1035)
 *
 * What a guest may ask is little: the addresses of one name.  Nothing of its
 * message goes on but that name and type; nothing of the server's answer goes
 * back but addresses.
 */
#ifndef PODFLARE_NET_DNS_H
#define PODFLARE_NET_DNS_H

#include "common/netpolicy.h"
#include "runner/net/addr.h"

#define DNS_MAX 512		/* bytes of the messages that we make */
#define DNS_ADDRS 24		/* of one answer; as many as fit DNS_MAX */

enum dns_rcode { DNS_OK = 0, DNS_FORMAT = 1, DNS_FAILED = 2, DNS_NO_NAME = 3,
		 DNS_REFUSED = 5 };

enum dns_type { DNS_A = 1, DNS_AAAA = 28 };

struct dns_question {
	uint16_t id;
	uint16_t type;		/* any; enum dns_type are those we ask */
	bool recurse;
	char name[NETPOLICY_NAME_MAX + 1];	/* lower case, no dot at its end */
};

struct dns_answer {
	enum dns_rcode rcode;
	unsigned int nr;
	uint32_t ttl;		/* the least */
	struct addr addrs[DNS_ADDRS];
};

/* Read a guest's message. Return: 0; -1: it is none that could be answered, or
 * (@q has its id then) *rcode is due. */
int dns_read_question(const uint8_t *m, size_t len, struct dns_question *q,
		      enum dns_rcode *rcode);
/* Ask for q's name and type. @param m DNS_MAX bytes. Return: how many. */
size_t dns_make_question(const struct dns_question *q, uint16_t id, uint8_t *m);
/* Read what a server answered to that. Return: 0, -1: it is no answer to it. */
int dns_read_answer(const uint8_t *m, size_t len, const struct dns_question *q,
		    uint16_t id, struct dns_answer *a);
/* Answer the guest. @param m DNS_MAX bytes. Return: how many. */
size_t dns_make_answer(const struct dns_question *q, const struct dns_answer *a,
		       uint8_t *m);

#endif
