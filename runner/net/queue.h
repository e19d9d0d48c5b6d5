/* SPDX-License-Identifier: MIT */
/* runner/net/queue.h - frames that wait until a guest takes them */
#ifndef PODFLARE_NET_QUEUE_H
#define PODFLARE_NET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define QUEUE_BYTES (1u << 21)	/* and no more, however slow the guest is */
#define QUEUE_FRAME_MAX 65550u

/* A ring of lengths (4 bytes) and frames, which may wrap around its end. */
struct queue {
	uint8_t *bytes;
	size_t head, used;
};

int queue_init(struct queue *q, struct err *err);
void queue_free(struct queue *q);
/* Return: whether there was room. */
bool queue_put(struct queue *q, const void *frame, size_t len);
/* Copy the first frame, which stays. @param frame QUEUE_FRAME_MAX bytes
 * Return: its length, 0: there is none. */
size_t queue_first(const struct queue *q, void *frame);
void queue_drop_first(struct queue *q);

#endif
