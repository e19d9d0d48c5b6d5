/* SPDX-License-Identifier: MIT */
/*
 * common/netwire.h - the addresses on a sandbox's wire
 *
 * The same on every wire: no two of them are joined, and a fork takes its address
 * along.  guest-init sets up eth0 accordingly (guest-init/netif.c).
 */
#ifndef PODFLARE_COMMON_NETWIRE_H
#define PODFLARE_COMMON_NETWIRE_H

/* IPv4, in host order: 10.0.2.0/24 */
#define WIRE_NET4 0x0a000200u
#define WIRE_MASK4 0xffffff00u
#define WIRE_GATEWAY4 0x0a000202u
#define WIRE_DNS4 0x0a000203u
#define WIRE_GUEST4 0x0a00020fu

/* IPv6: fd00:7066::/64, of which the guest may take any address */
#define WIRE_NET6 { 0xfd, 0x00, 0x70, 0x66 }
#define WIRE_NET6_LENGTH 64
#define WIRE_GATEWAY6 { 0xfd, 0x00, 0x70, 0x66, [15] = 2 }
#define WIRE_DNS6 { 0xfd, 0x00, 0x70, 0x66, [15] = 3 }

#endif
