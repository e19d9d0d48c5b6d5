/* SPDX-License-Identifier: MIT */
/*
 * runner/net/queue.c - frames that wait until a guest takes them
 *
 * Runs in podflare-net.  Memory is taken once; its pages are used only when
 * something waits.
 */
#include "runner/net/queue.h"

#include <string.h>

#include "common/util.h"

int queue_init(struct queue *q, struct err *err)
{
	*q = (struct queue){ .bytes = malloc(QUEUE_BYTES) };
	if (!q->bytes)
		return err_set(err, ERR_NO_MEMORY, "frames");
	return 0;
}

void queue_free(struct queue *q)
{
	free(q->bytes);
	q->bytes = NULL;
}

static void put(struct queue *q, const void *data, size_t len)
{
	size_t at = (q->head + q->used) % QUEUE_BYTES;
	size_t part = MIN(len, QUEUE_BYTES - at);

	memcpy(q->bytes + at, data, part);
	memcpy(q->bytes, (const uint8_t *)data + part, len - part);
	q->used += len;
}

static void get(const struct queue *q, size_t skip, void *data, size_t len)
{
	size_t at = (q->head + skip) % QUEUE_BYTES;
	size_t part = MIN(len, QUEUE_BYTES - at);

	memcpy(data, q->bytes + at, part);
	memcpy((uint8_t *)data + part, q->bytes, len - part);
}

static size_t first_len(const struct queue *q)
{
	uint32_t len;

	if (q->used == 0)
		return 0;
	get(q, 0, &len, sizeof(len));
	return len;
}

bool queue_put(struct queue *q, const void *frame, size_t len)
{
	uint32_t n = (uint32_t)len;

	if (len == 0 || len > QUEUE_FRAME_MAX ||
	    QUEUE_BYTES - q->used < sizeof(n) + len)
		return false;
	put(q, &n, sizeof(n));
	put(q, frame, len);
	return true;
}

size_t queue_first(const struct queue *q, void *frame)
{
	size_t len = first_len(q);

	get(q, sizeof(uint32_t), frame, len);
	return len;
}

void queue_drop_first(struct queue *q)
{
	size_t n = sizeof(uint32_t) + first_len(q);

	if (q->used == 0)
		return;
	q->head = (q->head + n) % QUEUE_BYTES;
	q->used -= n;
	if (q->used == 0)
		q->head = 0;	/* the same pages again */
}
