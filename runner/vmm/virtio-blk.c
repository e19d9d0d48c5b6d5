/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-blk.c - virtio block device (virtio 1.2, 5.2)
 *
 * One queue, served in order on the thread of the loop. Data goes between the
 * disk and guest memory without a copy.  Distrusts the driver: the header is
 * copied before it is judged, ranges are checked against the disk, and whether
 * the disk may be written to is decided here.
 */
#include "runner/vmm/virtio-blk.h"

#include <errno.h>
#include <linux/virtio_ids.h>

#define BLK_QUEUE 256
#define BLK_SEG_MAX (BLK_QUEUE - 2)	/* header and status take two */
#define BLK_SIZE_MAX (1024 * 1024)	/* bytes of one segment */
#define BLK_DISCARD_SECTORS (1u << 22)	/* 2 GiB */
#define BLK_ZEROES_SECTORS (1u << 16)	/* 32 MiB: may have to be written */
#define BLK_RANGES_MAX 64		/* in one discard; of zeroes: one */
/* One turn on the loop's thread: then others have theirs. */
#define BLK_TURN_REQUESTS 64
#define BLK_TURN_BYTES (8 * MIB)
#define BLK_FULL_NS 10000000000ULL

/* Return: whether [sector, sector + count) is on the disk. */
static bool on_disk(const struct virtio_blk *b, uint64_t sector, uint64_t count)
{
	uint64_t capacity = b->config.capacity;

	return sector <= capacity && count <= capacity - sector;
}

static int transfer(struct virtio_blk *b, bool write, uint64_t sector,
		    struct virtq_span *data)
{
	struct disk *disk = b->setup.disk;
	uint64_t len = data->len;
	int rc;

	if (len % DISK_SECTOR != 0 ||
	    len > (uint64_t)BLK_SEG_MAX * BLK_SIZE_MAX ||
	    !on_disk(b, sector, len / DISK_SECTOR))
		return -EINVAL;
	if (len == 0)
		return 0;
	if (write)
		rc = disk->ops->write(disk, data->iov, (int)data->nr,
				      sector * DISK_SECTOR, len);
	else
		rc = disk->ops->read(disk, data->iov, (int)data->nr,
				     sector * DISK_SECTOR, len);
	if (rc == 0)
		*(write ? &b->bytes_written : &b->bytes_read) += len;
	return rc;
}

/* Discard or write zeroes, range by range. */
static int clear_ranges(struct virtio_blk *b, bool zero,
			struct virtq_span *data)
{
	uint32_t flags = zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	uint32_t max = zero ? BLK_ZEROES_SECTORS : BLK_DISCARD_SECTORS;
	struct disk *disk = b->setup.disk;
	struct virtio_blk_discard_write_zeroes range;

	if (data->len == 0 || data->len % sizeof(range) != 0 ||
	    data->len / sizeof(range) > (zero ? 1 : BLK_RANGES_MAX))
		return -EINVAL;
	while (virtq_read(data, &range, sizeof(range)) == sizeof(range)) {
		uint64_t off, len;
		int rc;

		if (range.flags & ~flags)
			return -EOPNOTSUPP;
		if (range.num_sectors > max ||
		    !on_disk(b, range.sector, range.num_sectors))
			return -EINVAL;
		off = range.sector * DISK_SECTOR;
		len = (uint64_t)range.num_sectors * DISK_SECTOR;
		if (len == 0)
			continue;
		if (zero)
			b->zeroed += len;
		rc = zero ? disk->ops->zero(disk, off, len) :
			    disk->ops->discard(disk, off, len);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int get_id(struct virtio_blk *b, struct virtq_span *data)
{
	if (data->len < sizeof(b->setup.id))
		return -EINVAL;
	virtq_write(data, b->setup.id, sizeof(b->setup.id));
	return 0;
}

static int flush(struct virtio_blk *b)
{
	/* It may take long: tell the driver what is done already. */
	virtio_mmio_signal(&b->mmio, 0);
	virtio_mmio_interrupt(&b->mmio);
	b->flushes++;
	return b->setup.disk->ops->flush(b->setup.disk);
}

static int execute(struct virtio_blk *b, const struct virtio_blk_outhdr *h)
{
	struct virtq_span *out = &b->chain.out, *in = &b->chain.in;

	switch (h->type) {
	case VIRTIO_BLK_T_IN:
		return transfer(b, false, h->sector, in);
	case VIRTIO_BLK_T_FLUSH:
		return flush(b);
	case VIRTIO_BLK_T_GET_ID:
		return get_id(b, in);
	case VIRTIO_BLK_T_OUT:
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		if (b->setup.disk->read_only)
			return -EROFS;
		if (h->type == VIRTIO_BLK_T_OUT)
			return transfer(b, true, h->sector, out);
		return clear_ranges(b, h->type == VIRTIO_BLK_T_WRITE_ZEROES,
				    out);
	default:
		return -EOPNOTSUPP;
	}
}

static void report_full(struct virtio_blk *b)
{
	uint64_t now = now_ns();

	if (!b->setup.disk_full ||
	    (b->full_ns != 0 && now - b->full_ns < BLK_FULL_NS))
		return;
	b->full_ns = now;
	b->setup.disk_full(b->setup.arg);
}

/* Serve the popped chain. Return: bytes it moved, or may have had to. */
static uint64_t serve(struct virtio_blk *b)
{
	struct virtq_chain *c = &b->chain;
	struct virtio_blk_outhdr h;
	uint64_t in_len, moved;
	uint8_t *status;
	int rc;

	status = virtq_take_last(&c->in);
	if (virtq_read(&c->out, &h, sizeof(h)) != sizeof(h) || !status) {
		virtio_mmio_fail(&b->mmio, "block request without its frame");
		return 0;
	}
	in_len = c->in.len;
	moved = in_len + c->out.len;
	b->zeroed = 0;
	rc = execute(b, &h);
	if (rc == -ENOSPC || rc == -EDQUOT)
		report_full(b);
	*status = rc == 0 ? VIRTIO_BLK_S_OK :
		  rc == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
	virtq_push(&b->mmio.queues[0], c->head,
		   rc == 0 ? (uint32_t)in_len + 1 : 1);
	return moved + b->zeroed;
}

static void blk_notify(struct virtio_mmio *d, unsigned int queue)
{
	struct virtio_blk *b = container_of(d, struct virtio_blk, mmio);
	struct virtq *q = &d->queues[queue];
	unsigned int requests = 0;
	uint64_t bytes = 0;
	bool more = true;

	while (more) {
		virtq_kicks(q, false);
		while (virtio_mmio_pop(d, queue, &b->chain)) {
			bytes += serve(b);
			if (++requests < BLK_TURN_REQUESTS &&
			    bytes < BLK_TURN_BYTES)
				continue;
			virtio_mmio_signal(d, queue);
			virtio_mmio_kick(d, queue);
			return;
		}
		more = virtio_mmio_running(d) && virtq_kicks(q, true);
	}
	virtio_mmio_signal(d, queue);
}

static const struct virtio_ops blk_ops = {
	.name = "virtio-blk",
	.id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_max = BLK_QUEUE,
	.notify = blk_notify,
};

int virtio_blk_init(struct virtio_blk *b, const struct virtio_env *env,
		    const struct virtio_blk_setup *setup, struct err *err)
{
	uint64_t features = 1ULL << VIRTIO_BLK_F_SIZE_MAX |
			    1ULL << VIRTIO_BLK_F_SEG_MAX |
			    1ULL << VIRTIO_BLK_F_BLK_SIZE |
			    1ULL << VIRTIO_BLK_F_TOPOLOGY |
			    1ULL << VIRTIO_BLK_F_FLUSH;

	memset(b, 0, sizeof(*b));
	b->setup = *setup;
	b->config = (struct virtio_blk_config){
		.capacity = setup->disk->size / DISK_SECTOR,
		.size_max = BLK_SIZE_MAX,
		.seg_max = BLK_SEG_MAX,
		.blk_size = DISK_SECTOR,
		.physical_block_exp = 3,	/* 4 KiB, a cluster */
		.min_io_size = 8,
	};
	if (setup->disk->read_only) {
		features |= 1ULL << VIRTIO_BLK_F_RO;
	} else {
		features |= 1ULL << VIRTIO_BLK_F_DISCARD |
			    1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
		b->config.max_discard_sectors = BLK_DISCARD_SECTORS;
		b->config.max_discard_seg = BLK_RANGES_MAX;
		b->config.discard_sector_alignment = 8;
		b->config.max_write_zeroes_sectors = BLK_ZEROES_SECTORS;
		b->config.max_write_zeroes_seg = 1;
		b->config.write_zeroes_may_unmap = 1;
	}
	return virtio_mmio_init(&b->mmio, &blk_ops, env, features, &b->config,
				sizeof(b->config), err);
}

void virtio_blk_free(struct virtio_blk *b)
{
	virtio_mmio_free(&b->mmio);
}
