/* SPDX-License-Identifier: MIT */
/*
 * guest-init/backlog.h - the last output of a session that outlives its stream
 *
 * A ring of records (frame type, length, bytes); the oldest bytes make room for
 * the newest.  Grows with what is in it, up to AGENT_KEPT_OUTPUT.
 */
#ifndef PODFLARE_GUEST_BACKLOG_H
#define PODFLARE_GUEST_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlog {
	uint8_t *data;
	size_t cap;	/* a power of two */
	size_t max;	/* bound of cap, a power of two */
	size_t head, len;
	size_t last;	/* offset of the newest record, when len is not 0 */
};

void backlog_init(struct backlog *b, size_t max);
void backlog_free(struct backlog *b);
/* Out of memory, the oldest bytes are lost sooner. */
void backlog_put(struct backlog *b, uint8_t type, const void *data, size_t len);
/* All records, oldest first. @param part called with pieces of them */
void backlog_replay(const struct backlog *b,
		    void (*part)(void *arg, uint8_t type, const void *data,
				 size_t len), void *arg);

#endif
