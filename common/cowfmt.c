/* SPDX-License-Identifier: MIT */
/*
 * common/cowfmt.c - the CoW layer format on disk, version 1
 *
 * Makes, reads and checks layers; what is done with them is runner/vmm/
 * cowfile.c.  Used by the runner, which makes the files, and by the VMM.
 * Distrusts the file: a host may have damaged it. Its data area is the guest's,
 * and is never looked at here.
 */
#include "common/cowfmt.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32.h"

#define BITMAP_PAGE 4096

_Static_assert(sizeof(struct cow_header) == 64, "layout of the header");

static uint64_t bitmap_len(uint64_t size)
{
	uint64_t clusters = size / COW_CLUSTER;

	return ALIGN_UP((clusters + 7) / 8, (uint64_t)BITMAP_PAGE);
}

int cow_format_store(int fd, struct cow_header *h)
{
	ssize_t n;

	h->crc = crc32_of(h, offsetof(struct cow_header, crc));
	n = pwrite(fd, h, sizeof(*h), 0);
	if (n >= 0 && n < (ssize_t)sizeof(*h)) {
		errno = EIO;
		return -1;
	}
	return n < 0 ? -1 : 0;
}

int cow_format_init(int fd, uint64_t size, struct err *err)
{
	struct cow_header h = {
		.version = COW_VERSION,
		.cluster = COW_CLUSTER,
		.bitmap_off = COW_HEADER_LEN,
	};
	struct stat st;

	if (size == 0 || size > COW_SIZE_MAX)
		return err_set(err, ERR_LIMIT,
			       "disk layer: size is not within 1 to %llu GiB",
			       COW_SIZE_MAX / GIB);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "disk layer: stat");
	if (!S_ISREG(st.st_mode) || st.st_size != 0)
		return err_set(err, ERR_EXISTS,
			       "disk layer: not an empty regular file");
	memcpy(h.magic, COW_MAGIC, sizeof(h.magic));
	h.size = ALIGN_UP(size, (uint64_t)COW_CLUSTER);
	h.bitmap_len = bitmap_len(h.size);
	h.data_off = h.bitmap_off + h.bitmap_len;
	/* All of it is one hole: no bit set, no data. */
	if (ftruncate(fd, (off_t)(h.data_off + h.size)) < 0)
		return err_sys(err, errno, "disk layer: set its length");
	if (cow_format_store(fd, &h) < 0)
		return err_sys(err, errno, "disk layer: write the header");
	return 0;
}

int cow_format_create(int fd, uint64_t size, struct err *err)
{
	if (cow_format_init(fd, size, err) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_sys(err, errno, "disk layer: fsync");
	return 0;
}

int cow_format_load(int fd, struct cow_header *h, struct err *err)
{
	uint8_t block[COW_HEADER_LEN];
	uint64_t size;
	ssize_t n;

	if (util_file_size(fd, &size) < 0)
		return err_sys(err, errno, "disk layer: size");
	n = pread(fd, block, sizeof(block), 0);
	if (n < 0)
		return err_sys(err, errno, "disk layer: read the header");
	if (n < (ssize_t)sizeof(block))
		return err_set(err, ERR_IO, "disk layer: the file is too short");
	memcpy(h, block, sizeof(*h));
	if (memcmp(h->magic, COW_MAGIC, sizeof(h->magic)) != 0)
		return err_set(err, ERR_IO, "disk layer: not a disk layer");
	if (h->crc != crc32_of(h, offsetof(struct cow_header, crc)))
		return err_set(err, ERR_IO, "disk layer: damaged header");
	if (h->version != COW_VERSION)
		return err_set(err, ERR_VERSION,
			       "disk layer: version %u, this program knows %d",
			       h->version, COW_VERSION);
	if (h->size == 0 || h->size > COW_SIZE_MAX ||
	    h->size % COW_CLUSTER != 0 || h->cluster != COW_CLUSTER ||
	    (h->flags & ~COW_SEALED) || h->reserved || h->reserved2 ||
	    h->bitmap_off != COW_HEADER_LEN ||
	    h->bitmap_len != bitmap_len(h->size) ||
	    h->data_off != h->bitmap_off + h->bitmap_len)
		return err_set(err, ERR_IO, "disk layer: invalid header");
	for (size_t i = sizeof(*h); i < sizeof(block); i++)
		if (block[i] != 0)
			return err_set(err, ERR_IO,
				       "disk layer: bytes behind the header");
	if (size != h->data_off + h->size)
		return err_set(err, ERR_IO,
			       "disk layer: the file has %llu bytes, not %llu",
			       (unsigned long long)size,
			       (unsigned long long)(h->data_off + h->size));
	return 0;
}

static int check_page(const struct cow_header *h, uint64_t first,
		      const uint8_t *page, uint64_t *clusters, struct err *err)
{
	for (unsigned int i = 0; i < BITMAP_PAGE; i++) {
		for (unsigned int bit = 0; page[i] >> bit; bit++) {
			if (!(page[i] >> bit & 1))
				continue;
			if (first + i * 8 + bit >= h->size / COW_CLUSTER)
				return err_set(err, ERR_IO, "disk layer: "
					       "bitmap goes past the disk");
			++*clusters;
		}
	}
	return 0;
}

int cow_format_check(int fd, struct cow_report *report, struct err *err)
{
	struct cow_report r = { 0 };
	uint8_t page[BITMAP_PAGE];
	struct cow_header h;
	struct stat st;

	if (cow_format_load(fd, &h, err) < 0)
		return -1;
	for (uint64_t off = 0; off < h.bitmap_len; off += sizeof(page)) {
		ssize_t n = pread(fd, page, sizeof(page),
				  (off_t)(h.bitmap_off + off));

		if (n < 0)
			return err_sys(err, errno, "disk layer: read the bitmap");
		if (n < (ssize_t)sizeof(page))
			return err_set(err, ERR_IO,
				       "disk layer: bitmap is cut short");
		if (check_page(&h, off * 8, page, &r.clusters, err) < 0)
			return -1;
	}
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "disk layer: stat");
	r.bytes = (uint64_t)st.st_blocks * 512;
	r.sealed = h.flags & COW_SEALED;
	if (report)
		*report = r;
	return 0;
}
