/* SPDX-License-Identifier: MIT */
/* runner/net/net.h - the whole of one podflare-net process */
#ifndef PODFLARE_NET_NET_H
#define PODFLARE_NET_NET_H

#include "common/netctl.h"
#include "runner/net/filter.h"
#include "runner/net/queue.h"
#include "runner/net/resolver.h"
#include "runner/net/stack.h"

struct net {
	int wire, control;	/* -1: gone */
	int addresses;		/* the host's change; -1: not watched */
	struct filter filter;
	struct stack stack;
	struct resolver resolver;
	struct stack_polls polls;
	struct queue queue;	/* to the guest */
	bool ended;		/* the wire has */
	struct netctl_status status;
	uint8_t frame[QUEUE_FRAME_MAX + 1];
};

/* @param wire, control owned. Return: 0, or -1 with @err. */
int net_init(struct net *n, int wire, int control, struct err *err);
void net_free(struct net *n);
/* Until the wire ends. Return: 0, or -1 with @err. */
int net_run(struct net *n, struct err *err);

#endif
