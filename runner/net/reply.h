/* SPDX-License-Identifier: MIT */
/* runner/net/reply.h - tell a guest at once that a destination is refused */
#ifndef PODFLARE_NET_REPLY_H
#define PODFLARE_NET_REPLY_H

#include "runner/net/filter.h"

#define REPLY_MAX (14 + 1280)

/* What a router would answer to @frame, which was refused: a reset for a TCP flow
 * that was open, else ICMP's "administratively prohibited".
 * @param v its verdict: the headers are known to be whole
 * @param out REPLY_MAX bytes. Return: bytes of the answer, 0: none is due. */
size_t reply_build(const uint8_t *frame, const struct filter_verdict *v,
		   uint8_t *out);
/* A UDP datagram to the guest that answers the one in @frame, which passed the
 * filter as FILTER_DNS. @param out with room for @len and 62 bytes
 * Return: bytes of the frame. */
size_t reply_udp(const uint8_t *frame, const uint8_t *data, size_t len,
		 uint8_t *out);

#endif
