/* SPDX-License-Identifier: MIT */
/*
 * runner/net/stack.h - the way out: libslirp, a TCP/IP stack over sockets
 *
 * The only header that hides libslirp.  What goes into it was judged by the filter
 * (filter.h); it opens a socket of this process for each flow of the guest.
 */
#ifndef PODFLARE_NET_STACK_H
#define PODFLARE_NET_STACK_H

#include <poll.h>
#include <stdbool.h>

#include "common/err.h"

#define STACK_TIMERS 2

struct stack_timer {
	int id;			/* libslirp's */
	void *opaque;
	int64_t at_ms;		/* -1: not armed */
	bool used;
};

/* Grows; the first ones are the caller's. */
struct stack_polls {
	struct pollfd *fds;
	unsigned int nr, room;
};

struct stack {
	void *slirp;
	/* A frame for the guest. */
	void (*send)(void *arg, const void *frame, size_t len);
	void *arg;
	struct stack_timer timers[STACK_TIMERS];
};

/* @param v6 the guest gets IPv6, too. Return: 0, or -1 with @err. */
int stack_init(struct stack *s, bool v6, struct err *err);
void stack_free(struct stack *s);
/* A frame of the guest that the filter has passed. */
void stack_input(struct stack *s, const void *frame, size_t len);
/* Add what is to be waited for. @param timeout_ms lowered to what timers need */
void stack_fill(struct stack *s, struct stack_polls *p, int *timeout_ms);
/* After poll(2), also one that nothing came of: do what is to be done. */
void stack_run(struct stack *s, struct stack_polls *p, bool failed);
/* Return: a free one at the end, NULL: no memory. */
struct pollfd *stack_polls_add(struct stack_polls *p);

#endif
