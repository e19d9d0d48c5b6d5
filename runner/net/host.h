/* SPDX-License-Identifier: MIT */
/* runner/net/host.h - the addresses that the host itself answers to */
#ifndef PODFLARE_NET_HOST_H
#define PODFLARE_NET_HOST_H

#include "common/err.h"
#include "runner/net/addr.h"

/* Read all of them into @h. Return: 0, or -1 with @err and @h such that every
 * address counts as the host's. */
int host_read(struct addr_host *h, struct err *err);
/* Return: a socket that can be read when they change, -1 with @err. */
int host_watch(struct err *err);
/* Take what is to be read there. Return: false: it can not be used any more. */
bool host_drain(int fd);
/* Return: whether the host has a way to the IPv6 internet, as far as it knows. */
bool host_has_v6(void);

#endif
