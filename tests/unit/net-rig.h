/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/net-rig.h - a real podflare-net, its guest and its internet
 *
 * The test is the guest at one end of the wire, and listens at PORT of every
 * address (netns.h) at the other.
 */
#ifndef PODFLARE_TESTS_NET_RIG_H
#define PODFLARE_TESTS_NET_RIG_H

#include <sys/types.h>

#include "common/netctl.h"
#include "tests/unit/net-frame.h"

#define PORT 8080

struct rig {
	pid_t pid;
	int pidfd, wire, control;
	int tcp, udp, dns;	/* listeners */
	uint8_t got[70000];	/* the last frame */
	size_t got_len;
};

/* cmocka's setup and teardown. */
int rig_setup(void **state);
int rig_teardown(void **state);
/* It is in force when this returns. */
void rig_policy(struct rig *r, const char *text);
void rig_transmit(struct rig *r, const struct frame_buf *b);
/* The next frame within @ms. */
bool rig_receive(struct rig *r, int ms);
/* The next frame of an IP protocol. Return: its payload. */
uint8_t *rig_expect(struct rig *r, uint8_t protocol);

#endif
