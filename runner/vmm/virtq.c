/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtq.c - split virtqueue, device side (virtio 1.2, 2.7)
 *
 * The only file that reads descriptors. Runs on the thread of the loop, in the
 * VMM. Distrusts the driver wholly: it may write to the rings at any moment,
 * from other vCPUs, also between two reads of ours.
 *
 * Theory of operation: the rings are found in guest memory once, when the queue
 * is started, and stay there until it is stopped.  Every field of them is read
 * once, through a volatile pointer, into a local; the local is judged and used.
 * A chain is followed for at most as many descriptors as the queue has, so that
 * a loop ends as a chain that is too long.  The indices we keep are our own and
 * never read back.
 */
#include "runner/vmm/virtq.h"

#include <linux/virtio_ring.h>
#include <stdatomic.h>

#define DESC_ALIGN 16
#define AVAIL_ALIGN 2
#define USED_ALIGN 4

static int virtq_bad(struct virtq *q, const char *why)
{
	q->why = why;
	return -1;
}

static void *ring_map(const struct guest_memory *mem, uint64_t gpa, size_t len,
		      uint64_t align)
{
	if (gpa % align != 0)
		return NULL;
	return memory_ptr(mem, gpa, len);
}

int virtq_start(struct virtq *q, const struct guest_memory *mem,
		const struct virtq_config *cfg, uint16_t max, bool event_idx)
{
	uint32_t n = cfg->size;

	virtq_stop(q);
	if (n == 0 || n > max || n > VIRTQ_SIZE_MAX || (n & (n - 1)) != 0)
		return virtq_bad(q, "bad queue size");
	q->desc = ring_map(mem, cfg->desc, n * sizeof(struct vring_desc),
			   DESC_ALIGN);
	/* Both rings end with the other side's event index. */
	q->avail = ring_map(mem, cfg->avail,
			    sizeof(struct vring_avail) + (n + 1) * 2,
			    AVAIL_ALIGN);
	q->used = ring_map(mem, cfg->used, sizeof(struct vring_used) +
			   n * sizeof(struct vring_used_elem) + 2, USED_ALIGN);
	if (!q->desc || !q->avail || !q->used)
		return virtq_bad(q, "ring misaligned or outside of memory");
	q->cfg = *cfg;
	q->size = (uint16_t)n;
	q->event_idx = event_idx;
	q->ready = true;
	return 0;
}

void virtq_stop(struct virtq *q)
{
	*q = (struct virtq){ .why = NULL };
}

/* Follow the chain from descriptor @i. */
static int chain_walk(struct virtq *q, const struct guest_memory *mem,
		      uint16_t i, struct virtq_chain *c)
{
	unsigned int count, nr = 0;
	bool writable = false;

	for (count = 0; count < q->size; count++) {
		volatile struct vring_desc *d;
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;

		if (i >= q->size)
			return virtq_bad(q, "descriptor beyond the table");
		d = &q->desc[i];
		addr = d->addr;
		len = d->len;
		flags = d->flags;
		next = d->next;

		if (flags & VRING_DESC_F_INDIRECT)
			return virtq_bad(q, "indirect descriptor, not offered");
		if (writable && !(flags & VRING_DESC_F_WRITE))
			return virtq_bad(q, "readable after writable");
		if (!writable && (flags & VRING_DESC_F_WRITE)) {
			writable = true;
			c->in.iov = &c->iov[nr];
		}
		if (len > 0) {
			struct virtq_span *s = writable ? &c->in : &c->out;
			void *p = memory_ptr(mem, addr, len);

			if (!p)
				return virtq_bad(q, "buffer outside of memory");
			c->iov[nr].iov_base = p;
			c->iov[nr].iov_len = len;
			nr++;
			s->nr++;
			s->len += len;
			if (c->out.len + c->in.len > UINT32_MAX)
				return virtq_bad(q, "chain over 4 GiB");
		}
		if (!(flags & VRING_DESC_F_NEXT))
			return 1;
		i = next;
	}
	return virtq_bad(q, "chain longer than the queue");
}

int virtq_pop(struct virtq *q, const struct guest_memory *mem,
	      struct virtq_chain *c)
{
	uint16_t waiting, head;

	BUG_ON(!q->ready);
	/* Acquire: the ring's entries are read after its index. */
	waiting = (uint16_t)(__atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) -
			     q->avail_next);
	if (waiting == 0)
		return 0;
	if (waiting > q->size)
		return virtq_bad(q, "available index beyond the queue");
	head = q->avail->ring[q->avail_next % q->size];

	c->head = head;
	c->out = (struct virtq_span){ .iov = c->iov };
	c->in = (struct virtq_span){ .iov = c->iov };
	if (chain_walk(q, mem, head, c) < 0)
		return -1;
	q->avail_next++;
	return 1;
}

void virtq_unpop(struct virtq *q)
{
	q->avail_next--;
}

void virtq_push_all(struct virtq *q, const struct virtq_pushed *p,
		    unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		volatile struct vring_used_elem *e;

		e = &q->used->ring[q->used_next % q->size];
		e->id = p[i].head;
		e->len = p[i].written;
		q->used_next++;
	}
	/* Release: the entries, and buffers, are there before the index. */
	__atomic_store_n(&q->used->idx, q->used_next, __ATOMIC_RELEASE);
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	const struct virtq_pushed p = { head, written };

	virtq_push_all(q, &p, 1);
}

bool virtq_should_notify(struct virtq *q)
{
	uint16_t old = q->used_signalled, event;

	if (old == q->used_next)
		return false;
	q->used_signalled = q->used_next;
	/* The used index must be visible before we look at what the driver
	 * wants: it writes that, then looks at the index (2.7.10). */
	atomic_thread_fence(memory_order_seq_cst);
	if (!q->event_idx)
		return !(q->avail->flags & VRING_AVAIL_F_NO_INTERRUPT);
	event = q->avail->ring[q->size];
	return vring_need_event(event, q->used_next, old);
}

uint16_t virtq_unsignalled(const struct virtq *q)
{
	return (uint16_t)(q->used_next - q->used_signalled);
}

bool virtq_kicks(struct virtq *q, bool on)
{
	if (q->event_idx) {
		volatile uint16_t *event;

		/* An index that lies behind asks for nothing (2.7.10). */
		if (!on)
			return false;
		event = (volatile uint16_t *)&q->used->ring[q->size];
		*event = q->avail_next;
	} else {
		q->used->flags = on ? 0 : VRING_USED_F_NO_NOTIFY;
	}
	if (!on)
		return false;
	/* As above, the other way round. */
	atomic_thread_fence(memory_order_seq_cst);
	return q->avail->idx != q->avail_next;
}

uint16_t virtq_watch(struct virtq *q)
{
	uint16_t idx = q->avail->idx;
	volatile uint16_t *event;

	if (q->event_idx) {
		event = (volatile uint16_t *)&q->used->ring[q->size];
		*event = idx;
	} else {
		q->used->flags = 0;
	}
	/* As in virtq_kicks(). */
	atomic_thread_fence(memory_order_seq_cst);
	return q->avail->idx;
}

/* The first range without its first @n bytes. */
static void span_advance(struct virtq_span *s, size_t n)
{
	s->len -= n;
	if (n == s->iov->iov_len) {
		s->iov++;
		s->nr--;
	} else {
		s->iov->iov_base = (uint8_t *)s->iov->iov_base + n;
		s->iov->iov_len -= n;
	}
}

size_t virtq_read(struct virtq_span *s, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n && s->nr > 0) {
		size_t part = MIN(n - done, s->iov->iov_len);

		memcpy((uint8_t *)buf + done, s->iov->iov_base, part);
		span_advance(s, part);
		done += part;
	}
	return done;
}

size_t virtq_write(struct virtq_span *s, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n && s->nr > 0) {
		size_t part = MIN(n - done, s->iov->iov_len);

		memcpy(s->iov->iov_base, (const uint8_t *)buf + done, part);
		span_advance(s, part);
		done += part;
	}
	return done;
}

void virtq_skip(struct virtq_span *s, uint64_t n)
{
	while (n > 0 && s->nr > 0) {
		size_t part = MIN(n, s->iov->iov_len);

		span_advance(s, part);
		n -= part;
	}
}

struct virtq_span virtq_take(struct virtq_span *s, uint64_t n,
			     struct iovec *iov)
{
	struct virtq_span front = { .iov = iov };

	while (front.len < n && s->nr > 0) {
		size_t part = MIN(n - front.len, s->iov->iov_len);

		iov[front.nr++] = (struct iovec){ s->iov->iov_base, part };
		front.len += part;
		span_advance(s, part);
	}
	return front;
}

void virtq_cut(struct virtq_span *s, uint64_t n)
{
	unsigned int i;

	if (n >= s->len)
		return;
	s->len = n;
	for (i = 0; n > s->iov[i].iov_len; i++)
		n -= s->iov[i].iov_len;
	s->iov[i].iov_len = n;
	s->nr = n > 0 ? i + 1 : i;
}

uint8_t *virtq_take_last(struct virtq_span *s)
{
	struct iovec *last;

	if (s->nr == 0)
		return NULL;
	last = &s->iov[s->nr - 1];
	s->len--;
	last->iov_len--;
	if (last->iov_len == 0)
		s->nr--;
	return (uint8_t *)last->iov_base + last->iov_len;
}
