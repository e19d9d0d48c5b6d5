/* SPDX-License-Identifier: MIT */
/*
 * runner/chain-merge.c - what several sealed layers hold, in one file
 *
 * podflared, work threads.  Distrusts the files' headers; their data are the
 * guest's, and only copied.
 *
 * Theory of operation: for each page of the bitmap, from the highest layer to
 * the lowest, the clusters that none above has are copied, run by run.  Holes of
 * bitmaps and data are skipped, so that the cost follows what the layers hold,
 * not the disk's size; where the file system can share blocks, nothing is copied
 * at all (copy_file_range(2)).
 */
#include "runner/chain-merge.h"

#include <errno.h>
#include <unistd.h>

#include "common/cowfmt.h"

#define PAGE 4096	/* of a bitmap, bytes */
#define COPY_CHUNK (1024 * 1024)
#define RANGE_CHUNK (16 * 1024 * 1024)
#define RUN_MIN 5	/* layers that are worth to be made one */

struct merge {
	const int *in;
	unsigned int n;
	int out;
	const atomic_bool *stop;
	bool no_ranges;		/* the host copies by itself no more */
	struct cow_header h;	/* of the new one */
	uint8_t taken[PAGE], page[PAGE];
	char *copy;
};

/* Return: how many bytes, 0: it has to be done the long way, -1 with errno. */
static ssize_t copy_shared(struct merge *m, int in, off_t at, off_t end)
{
	off_t from = at, to = at;
	ssize_t n;

	if (m->no_ranges)
		return 0;
	n = copy_file_range(in, &from, m->out, &to,
			    (size_t)MIN(end - at, RANGE_CHUNK), 0);
	if (n > 0)
		return n;
	if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
		return -1;
	m->no_ranges = true;
	return 0;
}

static ssize_t copy_read(struct merge *m, int in, off_t at, off_t end)
{
	ssize_t n = pread(in, m->copy, (size_t)MIN(end - at, COPY_CHUNK), at);

	if (n == 0)
		errno = EIO;
	if (n <= 0)
		return -1;
	errno = ENOSPC;		/* what a short write means */
	return pwrite(m->out, m->copy, (size_t)n, at) == n ? n : -1;
}

static int copy_plain(struct merge *m, int in, off_t at, off_t end)
{
	while (at < end) {
		ssize_t n;

		errno = ECANCELED;
		if (m->stop && atomic_load(m->stop))
			return -1;
		n = copy_shared(m, in, at, end);
		if (n == 0)
			n = copy_read(m, in, at, end);
		if (n < 0)
			return -1;
		at += n;
	}
	return 0;
}

/* Holes stay holes: they are zeros that take no room. */
static int copy_range(struct merge *m, int in, off_t at, off_t end)
{
	off_t data, hole;

	while (at < end) {
		data = lseek(in, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return copy_plain(m, in, at, end);
		if (data >= end)
			return 0;
		hole = lseek(in, data, SEEK_HOLE);
		hole = hole < 0 ? end : MIN(hole, end);
		if (copy_plain(m, in, data, hole) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

/* Copy the clusters that @in has and no one above it; @first is that of the
 * bitmap's page. */
static int copy_clusters(struct merge *m, int in, uint64_t first)
{
	off_t data = (off_t)(m->h.data_off + first * COW_CLUSTER);
	bool wanted, in_run = false;
	off_t i, from = 0;

	for (i = 0; i <= PAGE * 8; i++) {
		wanted = i < PAGE * 8 && (m->page[i / 8] >> i % 8 & 1) &&
			 !(m->taken[i / 8] >> i % 8 & 1);
		if (wanted == in_run)
			continue;
		if (wanted)
			from = i;
		else if (copy_range(m, in, data + from * COW_CLUSTER,
				    data + i * COW_CLUSTER) < 0)
			return -1;
		in_run = wanted;
	}
	for (i = 0; i < PAGE; i++)
		m->taken[i] |= m->page[i];
	return 0;
}

/* Return: the first page of the bitmap, at @at or behind, that a layer may have
 * a bit in. */
static uint64_t next_page(const struct merge *m, uint64_t at)
{
	off_t base = (off_t)m->h.bitmap_off;
	uint64_t next = m->h.bitmap_len;

	for (unsigned int i = 0; i < m->n; i++) {
		off_t data = lseek(m->in[i], base + (off_t)at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			continue;
		if (data < 0)
			return at;
		next = MIN(next, ALIGN_DOWN((uint64_t)(data - base),
					    (uint64_t)PAGE));
	}
	return next;
}

static int merge_page(struct merge *m, uint64_t at, struct err *err)
{
	static const uint8_t none[PAGE];
	off_t off = (off_t)(m->h.bitmap_off + at);

	memset(m->taken, 0, PAGE);
	for (unsigned int i = m->n; i-- > 0;) {
		if (pread(m->in[i], m->page, PAGE, off) != PAGE)
			return err_sys(err, EIO, "disk layer: bitmap");
		if (memcmp(m->page, none, PAGE) != 0 &&
		    copy_clusters(m, m->in[i], at * 8) < 0)
			return err_sys(err, errno, "disk layer");
	}
	if (memcmp(m->taken, none, PAGE) != 0 &&
	    pwrite(m->out, m->taken, PAGE, off) != PAGE)
		return err_sys(err, errno, "disk layer: bitmap");
	return 0;
}

static int merge_all(struct merge *m, struct err *err)
{
	uint64_t at = 0;

	while ((at = next_page(m, at)) < m->h.bitmap_len) {
		if (merge_page(m, at, err) < 0)
			return -1;
		at += PAGE;
	}
	m->h.flags |= COW_SEALED;
	if (cow_format_store(m->out, &m->h) < 0 || fsync(m->out) < 0)
		return err_sys(err, errno, "disk layer");
	return 0;
}

static int check(struct merge *m, struct err *err)
{
	struct cow_header h = { .size = 0 };

	for (unsigned int i = 0; i < m->n; i++) {
		if (cow_format_load(m->in[i], &h, err) < 0)
			return -1;
		if (i && h.size != m->h.size)
			return err_set(err, ERR_IO,
				       "disk layers of different sizes");
		m->h = h;
	}
	if (cow_format_init(m->out, h.size, err) < 0)
		return -1;
	return cow_format_load(m->out, &m->h, err);
}

int chain_merge(const int *in, unsigned int n, int out,
		const atomic_bool *stop, struct err *err)
{
	struct merge *m = calloc(1, sizeof(*m));
	int rc = -1;

	if (m)
		m->copy = malloc(COPY_CHUNK);
	if (!m || !m->copy) {
		free(m);
		return err_set(err, ERR_NO_MEMORY, "disk layer");
	}
	m->in = in;
	m->n = n;
	m->out = out;
	m->stop = stop;
	if (check(m, err) == 0)
		rc = merge_all(m, err);
	free(m->copy);
	free(m);
	return rc;
}

struct chain_run chain_choose(const uint64_t *bytes, unsigned int n)
{
	struct chain_run best = { 0, n > 1 ? n : 0 };
	double least = -1;

	for (unsigned int i = 0; i + RUN_MIN <= n; i++) {
		uint64_t sum = 0;

		for (unsigned int j = i; j < n; j++) {
			double each;

			sum += bytes[j];
			if (j - i + 1 < RUN_MIN)
				continue;
			each = (double)sum / (double)(j - i);
			if (least >= 0 && each >= least)
				continue;
			least = each;
			best = (struct chain_run){ i, j - i + 1 };
		}
	}
	return best;
}
