/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/cowio.c - reading and writing a chain of layers
 *
 * Runs in the VMM, on the thread of the loop. Ranges were checked by the block
 * device. Distrusts the host's file system, which may fail at any time.
 *
 * Theory of operation: a cluster belongs to the highest layer whose bit for it
 * is set, else to the bottom.  Reading merges neighbours of one owner into one
 * preadv(2).  Writing always goes to the top: clusters that the top does not
 * have yet are written whole, what is kept of the first and the last one coming
 * from below, in the same pwritev(2).  A bit is set in memory when its cluster
 * is in the file, and reaches the file by a flush: data, fdatasync, bitmap,
 * fdatasync.  So a bit on disk always has its data; data under a clear bit is
 * without meaning, and whoever sets the bit must have written the cluster.
 */
#include "runner/vmm/cowio.h"

#include <errno.h>
#include <unistd.h>

#define BITMAP_PAGE 4096ULL

static const uint8_t zeros[COW_CLUSTER];

static bool layer_has(const struct cow_layer *l, uint64_t cluster)
{
	return cluster < l->header.size / COW_CLUSTER &&
	       (l->bitmap[cluster / 8] >> cluster % 8 & 1);
}

static struct cow_layer *top_of(struct cow_disk *c)
{
	return &c->layers[c->nr - 1];
}

/* Return: the layer that owns @cluster, NULL: the bottom. */
static const struct cow_layer *owner(const struct cow_disk *c, uint64_t cluster)
{
	for (unsigned int i = c->nr; i-- > 0;)
		if (layer_has(&c->layers[i], cluster))
			return &c->layers[i];
	return NULL;
}

/* Mark clusters as present in the top. */
static void own(struct cow_disk *c, uint64_t first, uint64_t last)
{
	struct cow_layer *top = top_of(c);

	for (uint64_t i = first; i <= last; i++) {
		uint64_t page = i / 8 / BITMAP_PAGE;

		if (layer_has(top, i))
			continue;
		top->bitmap[i / 8] |= (uint8_t)(1u << i % 8);
		top->bitmap_dirty[page / 8] |= (uint8_t)(1u << page % 8);
		top->empty = false;
	}
}

int cowio_read(struct disk *d, struct iovec *iov, int nr, uint64_t off,
	       uint64_t len)
{
	struct cow_disk *c = container_of(d, struct cow_disk, disk);
	uint64_t end = off + len;

	while (off < end) {
		uint64_t cluster = off / COW_CLUSTER, next = cluster + 1;
		const struct cow_layer *l = owner(c, cluster);
		int n, rc;

		while (next * COW_CLUSTER < end && owner(c, next) == l)
			next++;
		next = MIN(next * COW_CLUSTER, end);
		n = disk_iov_take(&iov, &nr, next - off, c->iov);
		if (l)
			rc = disk_read_all(l->fd, c->iov, n,
					   l->header.data_off + off, true);
		else
			rc = disk_read_all(c->bottom, c->iov, n, off, false);
		if (rc < 0)
			return rc;
		off = next;
	}
	return 0;
}

static int read_part(struct cow_disk *c, void *buf, uint64_t off, uint64_t len)
{
	struct iovec iov = { buf, len };

	return cowio_read(&c->disk, &iov, 1, off, len);
}

/* Return: 0, or why nothing can be written. */
static int refuse(const struct cow_disk *c)
{
	if (c->broken)
		return -c->broken;
	if (c->disk.read_only || c->layers[c->nr - 1].frozen)
		return -EROFS;
	return 0;
}

int cowio_write(struct disk *d, struct iovec *iov, int nr, uint64_t off,
		uint64_t len)
{
	struct cow_disk *c = container_of(d, struct cow_disk, disk);
	struct cow_layer *top = top_of(c);
	uint64_t end = off + len, first, last, head, tail;
	int n = 0, rc = refuse(c);

	if (rc < 0 || len == 0)
		return rc;
	first = off / COW_CLUSTER;
	last = (end - 1) / COW_CLUSTER;
	/* Bytes kept before and behind, if the clusters are not ours yet. */
	head = layer_has(top, first) ? 0 : off % COW_CLUSTER;
	tail = layer_has(top, last) ? 0 : (last + 1) * COW_CLUSTER - end;
	if (head > 0 && (rc = read_part(c, c->head, off - head, head)) < 0)
		return rc;
	if (tail > 0 && (rc = read_part(c, c->tail, end, tail)) < 0)
		return rc;

	if (head > 0)
		c->iov[n++] = (struct iovec){ c->head, head };
	n += disk_iov_take(&iov, &nr, len, &c->iov[n]);
	if (tail > 0)
		c->iov[n++] = (struct iovec){ c->tail, tail };
	top->dirty = true;
	rc = disk_write_all(top->fd, c->iov, n,
			    top->header.data_off + off - head);
	if (rc == 0)
		own(c, first, last);
	return rc;
}

/* Write the changed pages of the bitmap, neighbours together. */
static int bitmap_write(struct cow_layer *l)
{
	uint64_t pages = l->header.bitmap_len / BITMAP_PAGE;

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t first = i;
		struct iovec iov;
		int rc;

		while (i < pages && (l->bitmap_dirty[i / 8] >> i % 8 & 1))
			i++;
		if (i == first)
			continue;
		iov.iov_base = l->bitmap + first * BITMAP_PAGE;
		iov.iov_len = (i - first) * BITMAP_PAGE;
		rc = disk_write_all(l->fd, &iov, 1, l->header.bitmap_off +
				    first * BITMAP_PAGE);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* After a failed fsync the kernel has dropped what it could not write: trying
 * again would "succeed", also in another process of a fork, which has the same
 * open file. Nothing is written from then on. */
static int sync_layer(struct cow_disk *c, const struct cow_layer *l)
{
	if (fdatasync(l->fd) < 0)
		__atomic_store_n(l->failed, errno, __ATOMIC_SEQ_CST);
	c->broken = __atomic_load_n(l->failed, __ATOMIC_SEQ_CST);
	return -c->broken;
}

static int flush_layer(struct cow_disk *c, struct cow_layer *l)
{
	bool bitmap = false;
	int rc;

	for (unsigned int i = 0; i < sizeof(l->bitmap_dirty); i++)
		bitmap |= l->bitmap_dirty[i] != 0;
	if ((rc = sync_layer(c, l)) < 0)
		return rc;
	if (bitmap) {
		/* A full disk may have room later: the pages stay dirty. */
		if ((rc = bitmap_write(l)) < 0 || (rc = sync_layer(c, l)) < 0)
			return rc;
		memset(l->bitmap_dirty, 0, sizeof(l->bitmap_dirty));
	}
	l->dirty = false;
	return 0;
}

/* All that the layer has is on disk: say in it that no more will come. */
static int seal_layer(struct cow_disk *c, struct cow_layer *l)
{
	struct cow_header h = l->header;

	h.flags |= COW_SEALED;
	if (cow_format_store(l->fd, &h) < 0)
		return -errno;
	if (sync_layer(c, l) < 0)
		return -c->broken;
	l->header = h;
	return 0;
}

/* A layer that a fork has frozen comes before the one on it: what the guest had
 * written before must not be lost when what it wrote after is there. */
int cowio_flush(struct disk *d)
{
	struct cow_disk *c = container_of(d, struct cow_disk, disk);

	for (unsigned int i = 0; i < c->nr && !c->broken; i++) {
		struct cow_layer *l = &c->layers[i];
		int rc = 0;

		if (l->dirty)
			rc = flush_layer(c, l);
		if (rc == 0 && l->frozen && !(l->header.flags & COW_SEALED))
			rc = seal_layer(c, l);
		if (rc < 0)
			return rc;
	}
	return -c->broken;
}

/* Make whole clusters read as zeros: a hole with its bit set, so that what the
 * layers below have is hidden. */
static int punch(struct cow_disk *c, uint64_t off, uint64_t len)
{
	struct cow_layer *top = top_of(c);
	int rc;

	if (c->no_punch)
		return -EOPNOTSUPP;
	top->dirty = true;
	/* Also where the bit is clear: there may be data without meaning. */
	rc = disk_punch(top->fd, top->header.data_off + off, len);
	if (rc == -EOPNOTSUPP)
		c->no_punch = true;
	if (rc == 0)
		own(c, off / COW_CLUSTER, (off + len) / COW_CLUSTER - 1);
	return rc;
}

int cowio_discard(struct disk *d, uint64_t off, uint64_t len)
{
	struct cow_disk *c = container_of(d, struct cow_disk, disk);
	uint64_t first = ALIGN_UP(off, (uint64_t)COW_CLUSTER);
	uint64_t end = ALIGN_DOWN(off + len, (uint64_t)COW_CLUSTER);
	int rc = refuse(c);

	if (rc < 0 || first >= end)
		return rc;
	rc = punch(c, first, end - first);
	return rc == -EOPNOTSUPP ? 0 : rc;
}

/* Zeros the long way; whole clusters or parts of one. */
static int write_zeros(struct cow_disk *c, uint64_t off, uint64_t len)
{
	while (len > 0) {
		struct iovec iov = { (void *)zeros, MIN(len, sizeof(zeros)) };
		size_t n = iov.iov_len;
		int rc = cowio_write(&c->disk, &iov, 1, off, n);

		if (rc < 0)
			return rc;
		off += n;
		len -= n;
	}
	return 0;
}

int cowio_zero(struct disk *d, uint64_t off, uint64_t len)
{
	struct cow_disk *c = container_of(d, struct cow_disk, disk);
	uint64_t end = off + len;
	uint64_t first = MIN(ALIGN_UP(off, (uint64_t)COW_CLUSTER), end);
	uint64_t last = MAX(ALIGN_DOWN(end, (uint64_t)COW_CLUSTER), first);
	int rc = refuse(c);

	if (rc < 0 || (rc = write_zeros(c, off, first - off)) < 0)
		return rc;
	if (last > first) {
		rc = punch(c, first, last - first);
		if (rc == -EOPNOTSUPP)
			rc = write_zeros(c, first, last - first);
		if (rc < 0)
			return rc;
	}
	return write_zeros(c, last, end - last);
}
