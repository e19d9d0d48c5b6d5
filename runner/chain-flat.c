/* SPDX-License-Identifier: MIT */
/*
 * runner/chain-flat.c - one layer made of many
 *
 * podflared, work threads.
 *
 * Theory of operation: the layers below the top never change, so that what they
 * hold together is written to a new, sealed layer, which then takes the place
 * of the highest of them by a rename.  It hides all that lies below it: the
 * others are removed afterwards, in any order, or by the next time.  Other
 * folders keep the files that they have links to.  Of one layer alone that
 * makes a copy, which is this folder's own.
 */
#include "runner/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/cowfmt.h"

#define TMP "disk.flat.tmp"
#define PAGE 4096	/* of a bitmap, bytes */
#define COPY_CHUNK (1024 * 1024)

struct flatten {
	int out;
	int in[CHAIN_MAX + 2];
	unsigned int n;
	struct cow_header h;	/* of the new one */
	uint8_t taken[PAGE], page[PAGE];
	char *copy;
};

static int copy_plain(struct flatten *f, int in, off_t at, off_t end)
{
	ssize_t n;

	while (at < end) {
		n = pread(in, f->copy, (size_t)MIN(end - at, COPY_CHUNK), at);
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		errno = ENOSPC;		/* what a short write means */
		if (pwrite(f->out, f->copy, (size_t)n, at) != n)
			return -1;
		at += n;
	}
	return 0;
}

/* Holes stay holes: they are zeros that take no room. */
static int copy_range(struct flatten *f, int in, off_t at, off_t end)
{
	off_t data, hole;

	while (at < end) {
		data = lseek(in, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return copy_plain(f, in, at, end);
		if (data >= end)
			return 0;
		hole = lseek(in, data, SEEK_HOLE);
		hole = hole < 0 ? end : MIN(hole, end);
		if (copy_plain(f, in, data, hole) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

/* Copy the clusters that @layer has and no one above it; @first is that of the
 * bitmap's page. */
static int copy_clusters(struct flatten *f, int in, uint64_t first)
{
	uint64_t i, from = 0;
	bool wanted, in_run = false;

	for (i = 0; i <= PAGE * 8; i++) {
		wanted = i < PAGE * 8 && (f->page[i / 8] >> i % 8 & 1) &&
			 !(f->taken[i / 8] >> i % 8 & 1);
		if (wanted == in_run)
			continue;
		if (wanted)
			from = i;
		else if (copy_range(f, in, (off_t)(f->h.data_off +
						   (first + from) * COW_CLUSTER),
				    (off_t)(f->h.data_off +
					    (first + i) * COW_CLUSTER)) < 0)
			return -1;
		in_run = wanted;
	}
	for (i = 0; i < PAGE; i++)
		f->taken[i] |= f->page[i];
	return 0;
}

static int merge(struct flatten *f, struct err *err)
{
	static const uint8_t none[PAGE];

	for (uint64_t at = 0; at < f->h.bitmap_len; at += PAGE) {
		off_t off = (off_t)(f->h.bitmap_off + at);

		memset(f->taken, 0, PAGE);
		for (unsigned int i = f->n; i-- > 0;) {
			if (pread(f->in[i], f->page, PAGE, off) != PAGE)
				return err_sys(err, EIO, "disk layer: bitmap");
			if (memcmp(f->page, none, PAGE) != 0 &&
			    copy_clusters(f, f->in[i], at * 8) < 0)
				return err_sys(err, errno, "disk layer");
		}
		if (memcmp(f->taken, none, PAGE) != 0 &&
		    pwrite(f->out, f->taken, PAGE, off) != PAGE)
			return err_sys(err, errno, "disk layer: bitmap");
	}
	f->h.flags |= COW_SEALED;
	if (cow_format_store(f->out, &f->h) < 0 || fsync(f->out) < 0)
		return err_sys(err, errno, "disk layer");
	return 0;
}

static int open_all(struct flatten *f, int dirfd, const unsigned int *nr,
		    unsigned int n, struct err *err)
{
	struct cow_header h = { .size = 0 };
	char name[CHAIN_NAME];

	for (f->n = 0; f->n < n; f->n++) {
		chain_name(name, nr[f->n]);
		f->in[f->n] = openat(dirfd, name,
				     O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (f->in[f->n] < 0)
			return err_sys(err, errno, "%s", name);
		if (cow_format_load(f->in[f->n], &h, err) < 0)
			return -1;
		if (f->n && h.size != f->h.size)
			return err_set(err, ERR_IO, "%s: of another size", name);
		f->h = h;
	}
	f->copy = malloc(COPY_CHUNK);
	if (!f->copy)
		return err_set(err, ERR_NO_MEMORY, "disk layer");
	unlinkat(dirfd, TMP, 0);
	f->out = openat(dirfd, TMP, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			0600);
	if (f->out < 0)
		return err_sys(err, errno, TMP);
	if (cow_format_init(f->out, h.size, err) < 0)
		return -1;
	return cow_format_load(f->out, &f->h, err);
}

/* Put one sealed layer, of what these @n hold together, in the place of the last
 * of them. Return: 0, or -1 with @err and all as it was. */
static int rewrite(int dirfd, const unsigned int *nr, unsigned int n,
		   struct err *err)
{
	struct flatten *f = calloc(1, sizeof(*f));
	char name[CHAIN_NAME];
	unsigned int i;
	int rc = -1;

	if (!f)
		return err_set(err, ERR_NO_MEMORY, "disk layer");
	for (i = 0; i < ARRAY_SIZE(f->in); i++)
		f->in[i] = -1;
	f->out = -1;
	if (open_all(f, dirfd, nr, n, err) == 0 && merge(f, err) == 0) {
		chain_name(name, nr[n - 1]);
		rc = renameat(dirfd, TMP, dirfd, name) < 0 || fsync(dirfd) < 0
			? err_sys(err, errno, "%s", name) : 0;
	}
	for (i = 0; i < ARRAY_SIZE(f->in); i++)
		if (f->in[i] >= 0)
			close(f->in[i]);
	if (f->out >= 0)
		close(f->out);
	free(f->copy);
	free(f);
	if (rc < 0)
		unlinkat(dirfd, TMP, 0);
	return rc;
}

int chain_flatten(int dirfd, struct chain *c, struct err *err)
{
	if (c->n < 3)
		return 0;
	if (rewrite(dirfd, c->nr, c->n - 1, err) < 0)
		return err_context(err, "making one of %u disk layers", c->n);
	for (unsigned int i = 0; i < c->n - 2; i++)
		if (chain_drop(dirfd, c->nr[i], err) < 0)
			return -1;
	c->nr[0] = c->nr[c->n - 2];
	c->nr[1] = c->nr[c->n - 1];
	c->n = 2;
	return 0;
}

int chain_own(int dirfd, unsigned int nr, struct err *err)
{
	if (rewrite(dirfd, &nr, 1, err) < 0)
		return err_context(err, "copying disk.%03u.cow", nr);
	return 0;
}
