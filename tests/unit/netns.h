/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/netns.h - a network of the test's own, which has every address
 *
 * No packet of a test leaves this machine, also when what is tested is wrong: the
 * test goes into a network namespace that has nothing but a loopback device.  In
 * there all addresses there are lead to it, so that whatever is let through
 * reaches a listener of the test.
 */
#ifndef PODFLARE_TESTS_NETNS_H
#define PODFLARE_TESTS_NETNS_H

#include <stdbool.h>
#include <stdint.h>

/* Go there, for good. Return: false when this host does not let us. Nothing else
 * than that: a namespace that is not as it should be ends the process. */
bool netns_enter(void);
/* Whether there is IPv6 in it. */
bool netns_v6(void);
/* Give the loopback device an address, which is "the host's own" then. */
void netns_add_address(const char *ip4, int prefix);

/* Listeners on all addresses. Return: a socket that does not block. */
int netns_listen(int type, uint16_t port);

#endif
