/* SPDX-License-Identifier: MIT */
/*
 * runner/net/resolver.h - the names of a list, asked of the host's name server
 *
 * Theory of operation: a guest's question for a name of the list is asked anew, by
 * us, on a socket of its own (its port and the id are random); the addresses of
 * the answer that can be reached at all are granted (filter_grant()) and told to
 * the guest, the rest is left out.  Other names are refused at once, other types
 * than addresses are answered with none.
 */
#ifndef PODFLARE_NET_RESOLVER_H
#define PODFLARE_NET_RESOLVER_H

#include "runner/net/dns.h"
#include "runner/net/filter.h"
#include "runner/net/stack.h"

#define RESOLVER_MAX 64		/* questions under way */

struct resolver_query {
	int fd;			/* -1: free */
	uint16_t id;
	uint64_t until_ns;
	struct dns_question question;
	uint8_t frame[62];	/* its headers, to answer to */
};

struct resolver {
	struct filter *filter;
	void (*send)(void *arg, const void *frame, size_t len);
	void *arg;
	struct resolver_query queries[RESOLVER_MAX];
	unsigned int first;	/* of our descriptors in the last resolver_fill() */
};

void resolver_init(struct resolver *r, struct filter *filter,
		   void (*send)(void *arg, const void *frame, size_t len),
		   void *arg);
void resolver_free(struct resolver *r);
/* A frame of the guest that was FILTER_DNS. */
void resolver_take(struct resolver *r, const uint8_t *frame, size_t len,
		   uint64_t now_ns);
/* Before and after poll(2). @param timeout_ms lowered to what is waited for
 * Return: 0, -1: no memory. */
int resolver_fill(struct resolver *r, struct stack_polls *p, int *timeout_ms,
		  uint64_t now_ns);
void resolver_run(struct resolver *r, const struct stack_polls *p,
		  uint64_t now_ns);

#endif
