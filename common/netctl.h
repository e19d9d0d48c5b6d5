/* SPDX-License-Identifier: MIT */
/*
 * common/netctl.h - the messages between podflared and podflare-net
 *
 * podflared starts podflare-net with two SEQPACKET sockets: NETCTL_WIRE_FD, whose
 * other end is the VMM's (one Ethernet frame a message), and NETCTL_FD, its own.
 * It sends a NETCTL_POLICY first: until then the network is off.  The process
 * ends with its wire, not with its runner.  Both programs come from one build: a
 * message of another magic or length ends the connection, and the policy in
 * force stays.
 */
#ifndef PODFLARE_COMMON_NETCTL_H
#define PODFLARE_COMMON_NETCTL_H

#include "common/netpolicy.h"

#define NETCTL_MAGIC 0x706e0001u
#define NETCTL_WIRE_FD 3
#define NETCTL_FD 4

enum netctl_type {
	NETCTL_POLICY = 1,	/* struct netctl_policy; no answer */
	NETCTL_STATUS,		/* struct netctl_header -> struct netctl_status */
};

struct netctl_header {
	uint32_t magic;
	uint32_t type;
};

struct netctl_policy {
	struct netctl_header h;
	struct netpolicy policy;
};

struct netctl_status {
	struct netctl_header h;
	uint64_t frames_in, bytes_in;	/* from the guest, passed on */
	uint64_t frames_out, bytes_out;	/* to the guest */
	uint64_t refused;		/* by the policy */
	uint64_t dropped;		/* not understood, or no room */
};

#endif
