/* SPDX-License-Identifier: MIT */
/* tests/unit/net-frame.h - frames as a guest would send them, in plain memory */
#ifndef PODFLARE_TESTS_NET_FRAME_H
#define PODFLARE_TESTS_NET_FRAME_H

#include "runner/net/filter.h"
#include "runner/net/packet.h"

#define FRAME_MAX 2048

struct frame_buf {
	uint8_t b[FRAME_MAX];
	size_t len;
	uint8_t *ip, *l4;	/* in b */
	size_t l4_len;
};

/* Text as addr_text() writes it; a wrong one fails the test. */
struct addr frame_addr(const char *text);
/* A whole frame of the guest's with right checksums. @param protocol IPPROTO_*
 * @param port of TCP and UDP @param data bytes behind the header */
void frame_make(struct frame_buf *f, const char *to, int protocol,
		uint16_t port, const void *data, size_t len);
/* The same with TCP flags. */
void frame_tcp(struct frame_buf *f, const char *to, uint16_t port,
	       uint8_t flags, size_t len);
/* Checksums of what was changed. */
void frame_sum(struct frame_buf *f);
/* Whether the checksums of IP and of what is in it are right. */
bool frame_sums_ok(const uint8_t *frame, size_t len);
struct filter_verdict frame_judge(struct filter *f, const struct frame_buf *b);

#endif
