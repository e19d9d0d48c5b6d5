/* SPDX-License-Identifier: MIT */
/*
 * guest-init/backlog.c - the last output of a session that outlives its stream
 *
 * Pid 1.  What is kept comes from commands and is only passed on.
 */
#include "guest-init/backlog.h"

#include "common/util.h"

#define MIN_CAP 4096
#define HEADER 4		/* type, then a 24-bit length */
#define RECORD_MAX 65536

static size_t wrap(const struct backlog *b, size_t at)
{
	return at & (b->cap - 1);
}

static void copy_in(struct backlog *b, size_t at, const void *data, size_t len)
{
	size_t first = MIN(len, b->cap - wrap(b, at));

	memcpy(b->data + wrap(b, at), data, first);
	memcpy(b->data, (const uint8_t *)data + first, len - first);
}

static void copy_out(const struct backlog *b, size_t at, void *data, size_t len)
{
	size_t first = MIN(len, b->cap - wrap(b, at));

	memcpy(data, b->data + wrap(b, at), first);
	memcpy((uint8_t *)data + first, b->data, len - first);
}

static void put_header(struct backlog *b, size_t at, uint8_t type, size_t len)
{
	const uint8_t h[HEADER] = { type, (uint8_t)len, (uint8_t)(len >> 8),
				    (uint8_t)(len >> 16) };

	copy_in(b, at, h, HEADER);
}

static size_t get_header(const struct backlog *b, size_t at, uint8_t *type)
{
	uint8_t h[HEADER];

	copy_out(b, at, h, HEADER);
	*type = h[0];
	return h[1] | (size_t)h[2] << 8 | (size_t)h[3] << 16;
}

void backlog_init(struct backlog *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void backlog_free(struct backlog *b)
{
	free(b->data);
	backlog_init(b, b->max);
}

/* Twice as much, unrolled. Return: false at the bound or out of memory. */
static bool grow(struct backlog *b)
{
	size_t cap = b->cap ? b->cap * 2 : MIN(b->max, (size_t)MIN_CAP);
	uint8_t *data;

	if (cap > b->max)
		return false;
	data = malloc(cap);
	if (!data)
		return false;
	if (b->len)
		copy_out(b, b->head, data, b->len);
	b->last -= b->head;
	b->head = 0;
	free(b->data);
	b->data = data;
	b->cap = cap;
	return true;
}

/* Take @need bytes from the front; what is left of a record stays one. */
static void drop_front(struct backlog *b, size_t need)
{
	while (need && b->len) {
		uint8_t type;
		size_t len = get_header(b, b->head, &type);
		size_t gone = len > need ? need : HEADER + len;

		if (len > need) {
			put_header(b, b->head + need, type, len - need);
			if (b->last == b->head)
				b->last += need;
		}
		b->head += gone;
		b->len -= gone;
		need -= MIN(need, gone);
	}
}

static void put_some(struct backlog *b, uint8_t type, const void *data, size_t len)
{
	uint8_t last_type = 0;
	size_t last_len = 0, need = HEADER + len;

	while (b->len + need > b->cap)
		if (!grow(b))
			break;
	if (need > b->cap)
		return;	/* out of memory from the start */
	if (b->len + need > b->cap)
		drop_front(b, b->len + need - b->cap);
	if (b->len)
		last_len = get_header(b, b->last, &last_type);
	if (b->len && last_type == type && last_len + len <= RECORD_MAX) {
		put_header(b, b->last, type, last_len + len);
	} else {
		b->last = b->head + b->len;
		put_header(b, b->last, type, len);
		b->len += HEADER;
	}
	copy_in(b, b->head + b->len, data, len);
	b->len += len;
}

void backlog_put(struct backlog *b, uint8_t type, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		/* a quarter at most, so that there is always room to drop */
		size_t n = MIN(len, MIN(b->max / 4, (size_t)RECORD_MAX));

		put_some(b, type, p, n);
		p += n;
		len -= n;
	}
}

void backlog_replay(const struct backlog *b,
		    void (*part)(void *arg, uint8_t type, const void *data,
				 size_t len), void *arg)
{
	size_t at = b->head, end = b->head + b->len;

	while (at < end) {
		uint8_t type;
		size_t len = get_header(b, at, &type);
		size_t from = wrap(b, at + HEADER);
		size_t first = MIN(len, b->cap - from);

		if (first)
			part(arg, type, b->data + from, first);
		if (len > first)
			part(arg, type, b->data, len - first);
		at += HEADER + len;
	}
}
