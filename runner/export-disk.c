/* SPDX-License-Identifier: MIT */
/*
 * runner/export-disk.c - a disk of many layers as one
 *
 * podflared, work thread.
 *
 * Theory of operation: of each cluster the highest layer that has it counts, or
 * the file system at the bottom (docs/cow-format.md).  One page of all bitmaps
 * tells that of 128 MiB; clusters of the same file that lie side by side go
 * together.
 */
#include "runner/export-parts.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cowfmt.h"

#define PAGE 4096	/* of a bitmap, bytes */
#define CLUSTERS (PAGE * 8)

struct merged {
	struct export *e;
	uint64_t base_size;
	struct cow_header h;
	uint8_t owner[CLUSTERS];	/* 0: the bottom, else a layer + 1 */
	uint8_t page[PAGE];
};

_Static_assert(CHAIN_MAX + 3 < 256, "owner");

static int look_up_owners(struct merged *m, uint64_t page)
{
	struct export *e = m->e;
	off_t at = (off_t)(m->h.bitmap_off + page * PAGE);

	memset(m->owner, 0, sizeof(m->owner));
	for (unsigned int i = 0; i < e->nr_layers; i++) {
		if (pread(e->layers[i], m->page, PAGE, at) != PAGE)
			return err_sys(&e->err, EIO, "disk layer: bitmap");
		for (unsigned int n = 0; n < CLUSTERS; n++)
			if (m->page[n / 8] >> n % 8 & 1)
				m->owner[n] = (uint8_t)(i + 1);
	}
	return 0;
}

/* Clusters @first to @end - 1 of the disk, all of the same owner. */
static int put_run(struct merged *m, unsigned int owner, uint64_t first,
		   uint64_t end)
{
	struct export *e = m->e;
	uint64_t at = first * COW_CLUSTER, stop = end * COW_CLUSTER;

	if (owner)
		return export_range(e, e->layers[owner - 1], m->h.data_off + at,
				    m->h.data_off + stop, at, "disk layer");
	if (at >= m->base_size)
		return 0;
	return export_range(e, e->disk_base, at, MIN(stop, m->base_size), at,
			    "the disk's file system");
}

static int put_page(struct merged *m, uint64_t page)
{
	uint64_t first = page * CLUSTERS;
	uint64_t all = m->h.size / COW_CLUSTER - first;
	unsigned int n = (unsigned int)MIN(all, CLUSTERS), from, to;

	if (look_up_owners(m, page) < 0)
		return -1;
	for (from = 0; from < n; from = to) {
		for (to = from; to < n && m->owner[to] == m->owner[from];)
			to++;
		if (put_run(m, m->owner[from], first + from, first + to) < 0)
			return -1;
	}
	return 0;
}

static int load(struct merged *m)
{
	struct export *e = m->e;
	struct stat st;

	if (!e->nr_layers)
		return err_set(&e->err, ERR_IO, "the disk's files are gone");
	for (unsigned int i = 0; i < e->nr_layers; i++) {
		if (cow_format_load(e->layers[i], &m->h, &e->err) < 0)
			return -1;
		if (m->h.size != e->disk)
			return err_set(&e->err, ERR_IO,
				       "disk layer: of another size");
	}
	if (fstat(e->disk_base, &st) < 0)
		return err_sys(&e->err, errno, "the disk's file system");
	m->base_size = (uint64_t)st.st_size;
	return 0;
}

int export_disk(struct export *e)
{
	struct merged *m = malloc(sizeof(*m));
	uint64_t pages;
	int rc;

	if (!m)
		return err_set(&e->err, ERR_NO_MEMORY, "export");
	m->e = e;
	rc = load(m);
	pages = rc < 0 ? 0 : (m->h.size / COW_CLUSTER + CLUSTERS - 1) / CLUSTERS;
	for (uint64_t i = 0; i < pages && rc == 0; i++)
		rc = put_page(m, i);
	free(m);
	return rc;
}
