/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtq.h - split virtqueue, device side (virtio 1.2, 2.7)
 *
 * The only code that reads descriptors.  A device sees chains: two lists of
 * host memory ranges, what it may read and what it may write.  Those bytes are
 * the guest's and change at any moment: copy once, then judge the copy.
 */
#ifndef PODFLARE_VMM_VIRTQ_H
#define PODFLARE_VMM_VIRTQ_H

#include <stdbool.h>
#include <sys/uio.h>

#include "runner/vmm/memory.h"

#define VIRTQ_SIZE_MAX 256	/* descriptors; the most a device may offer */

/* A queue's place, as the driver told it: guest-physical addresses. */
struct virtq_config {
	uint32_t size;
	uint64_t desc, avail, used;
};

struct virtq {
	struct virtq_config cfg;	/* what virtq_start() was given */
	bool ready;
	bool event_idx;			/* VIRTIO_F_EVENT_IDX was negotiated */
	uint16_t size;
	uint16_t avail_next;		/* index of the next chain to pop */
	uint16_t used_next;		/* index of the next one to push */
	uint16_t used_signalled;	/* used_next when we last asked */
	const char *why;		/* of the last -1 */
	/* The rings in host memory; the same address in a child of fork(2). */
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
};

/* A chain to be handed back. */
struct virtq_pushed {
	uint16_t head;
	uint32_t written;
};

/* Ranges of guest memory, consumed from the front. */
struct virtq_span {
	struct iovec *iov;
	unsigned int nr;
	uint64_t len;			/* bytes in all of them */
};

struct virtq_chain {
	uint16_t head;
	struct virtq_span out;		/* the device reads these... */
	struct virtq_span in;		/* ... and writes those */
	struct iovec iov[VIRTQ_SIZE_MAX];
};

/* Check @cfg against the rules (power of two, alignment, inside one slot) and
 * start at index 0. Return: 0, or -1 with q->why. */
int virtq_start(struct virtq *q, const struct guest_memory *mem,
		const struct virtq_config *cfg, uint16_t max, bool event_idx);
void virtq_stop(struct virtq *q);

/* The next chain the driver made available.
 * Return: 1, 0 when there is none, -1 with q->why when the driver broke the
 * rules: the device then asks for a reset and does not come back. */
int virtq_pop(struct virtq *q, const struct guest_memory *mem,
	      struct virtq_chain *c);
/* Put the last popped chain back; it is read anew at the next pop. */
void virtq_unpop(struct virtq *q);
/* Hand a chain back with @written bytes in its device-writable part. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);
/* Hand several back, which the driver sees all at once. @param n at most the
 * queue's size */
void virtq_push_all(struct virtq *q, const struct virtq_pushed *p,
		    unsigned int n);
/* Return: whether the driver wants an interrupt for what was pushed since the
 * last call. */
bool virtq_should_notify(struct virtq *q);
/* Return: chains pushed since then. */
uint16_t virtq_unsignalled(const struct virtq *q);
/* Ask for a kick at the next chain that the driver adds, whether or not those
 * that are there are popped. Return: a mark; another one later means that chains
 * were added. */
uint16_t virtq_watch(struct virtq *q);
/* Ask for a kick at the next chain (on), or for none while we poll (off).
 * Return: true when a chain is there already: pop again. */
bool virtq_kicks(struct virtq *q, bool on);

/* Copy and consume. Return: bytes copied, fewer than @n at the end. */
size_t virtq_read(struct virtq_span *s, void *buf, size_t n);
size_t virtq_write(struct virtq_span *s, const void *buf, size_t n);
/* Consume without a copy. */
void virtq_skip(struct virtq_span *s, uint64_t n);
/* Consume the first @n bytes as ranges of their own, for use later.
 * @param iov has room for @n of them. */
struct virtq_span virtq_take(struct virtq_span *s, uint64_t n,
			     struct iovec *iov);
/* Cut the span to its first @n bytes. */
void virtq_cut(struct virtq_span *s, uint64_t n);
/* Take the last byte away. Return: where it is, NULL when there is none. */
uint8_t *virtq_take_last(struct virtq_span *s);

#endif
