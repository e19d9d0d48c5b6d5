/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/cowfile.c - a disk made of CoW layers: opening, sealing, growing
 *
 * Runs in the VMM, on the thread of the loop. Distrusts the files: each is
 * checked before it is used, and none names another; which one lies on which is
 * told by the runner.  The bytes inside are the guest's and are never looked
 * at.  See cowio.c for how it works.
 */
#include "runner/vmm/cowfile.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/vmm/cowio.h"

void cow_layer_close(struct cow_layer *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->bitmap);
	if (l->failed)
		munmap(l->failed, sizeof(*l->failed));
	*l = (struct cow_layer){ .fd = -1 };
}

static void cow_close(struct disk *d)
{
	struct cow_disk *c = container_of(d, struct cow_disk, disk);

	for (unsigned int i = 0; i < COW_LAYERS_MAX; i++)
		cow_layer_close(&c->layers[i]);
	if (c->bottom >= 0)
		close(c->bottom);
	c->bottom = -1;
	c->nr = 0;
}

static const struct disk_ops cow_ops = {
	.read = cowio_read,
	.write = cowio_write,
	.flush = cowio_flush,
	.discard = cowio_discard,
	.zero = cowio_zero,
	.close = cow_close,
};

/* Pages that are zero stay untouched, so that an empty layer costs nothing. */
static int bitmap_load(struct cow_layer *l, struct err *err)
{
	static const uint8_t zeros[4096];
	uint8_t page[sizeof(zeros)];

	l->bitmap = calloc(1, l->header.bitmap_len);
	if (!l->bitmap)
		return err_sys(err, ENOMEM, "disk layer: bitmap");
	l->empty = true;
	/* a fresh layer is one hole behind its header: no need to read it */
	if (lseek(l->fd, (off_t)l->header.bitmap_off, SEEK_DATA) < 0 &&
	    errno == ENXIO)
		return 0;
	for (uint64_t at = 0; at < l->header.bitmap_len; at += sizeof(page)) {
		struct iovec iov = { page, sizeof(page) };
		int rc = disk_read_all(l->fd, &iov, 1,
				       l->header.bitmap_off + at, true);

		if (rc < 0)
			return err_sys(err, -rc, "disk layer: bitmap");
		if (memcmp(page, zeros, sizeof(page)) == 0)
			continue;
		memcpy(l->bitmap + at, page, sizeof(page));
		l->empty = false;
	}
	return 0;
}

int cow_layer_read(struct cow_layer *l, struct err *err)
{
	if (cow_format_load(l->fd, &l->header, err) < 0)
		return -1;
	l->failed = mmap(NULL, sizeof(*l->failed), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->failed == MAP_FAILED) {
		l->failed = NULL;
		return err_sys(err, errno, "disk layer");
	}
	l->frozen = l->header.flags & COW_SEALED;
	return bitmap_load(l, err);
}

static int chain_check(const struct cow_disk *c, struct err *err)
{
	const struct cow_layer *top = &c->layers[c->nr - 1];

	for (unsigned int i = 0; i + 1 < c->nr; i++) {
		const struct cow_header *h = &c->layers[i].header;

		if (!(h->flags & COW_SEALED))
			return err_set(err, ERR_IO,
				       "disk layer %u lies below another one "
				       "and is not sealed", i);
		if (h->size > top->header.size)
			return err_set(err, ERR_IO, "disk layer %u is larger "
				       "than the disk", i);
	}
	if (!c->disk.read_only && (top->header.flags & COW_SEALED))
		return err_set(err, ERR_STATE,
			       "the top disk layer is sealed");
	return 0;
}

int cow_open(struct cow_disk *c, const int *fds, unsigned int nr,
	     bool read_only, struct err *err)
{
	uint64_t bottom_size;

	memset(c, 0, sizeof(*c));
	c->bottom = -1;
	for (unsigned int i = 0; i < COW_LAYERS_MAX; i++)
		c->layers[i].fd = -1;
	if (nr < 2 || nr > COW_LAYERS_MAX + 1) {
		for (unsigned int i = 0; i < nr; i++)
			close(fds[i]);
		return err_set(err, ERR_LIMIT, "a disk of %u files, not 2 to %d",
			       nr, COW_LAYERS_MAX + 1);
	}
	c->bottom = fds[0];
	c->nr = nr - 1;
	for (unsigned int i = 0; i < c->nr; i++)
		c->layers[i].fd = fds[i + 1];
	c->disk.read_only = read_only;

	if (disk_file_size(c->bottom, &bottom_size, err) < 0)
		goto fail;
	for (unsigned int i = 0; i < c->nr; i++) {
		if (cow_layer_read(&c->layers[i], err) < 0) {
			err_context(err, "file %u of the disk", i + 1);
			goto fail;
		}
	}
	if (chain_check(c, err) < 0)
		goto fail;
	c->disk.size = c->layers[c->nr - 1].header.size;
	if (bottom_size > c->disk.size) {
		err_set(err, ERR_IO, "the raw file is larger than the disk");
		goto fail;
	}
	/* a process before us may have been killed before it flushed: what the
	 * guest finds, and flushes, is to stay */
	c->layers[c->nr - 1].dirty = !read_only &&
				     !c->layers[c->nr - 1].empty;
	c->disk.ops = &cow_ops;
	return 0;
fail:
	cow_close(&c->disk);
	return -1;
}

int cow_seal(struct cow_disk *c)
{
	struct cow_layer *top = &c->layers[c->nr - 1];

	if (c->disk.read_only)
		return 0;
	top->frozen = true;
	return cowio_flush(&c->disk);
}

bool cow_freeze(struct cow_disk *c)
{
	struct cow_layer *top = &c->layers[c->nr - 1];

	if (top->empty && !top->frozen)
		return false;
	top->frozen = true;
	return true;
}

void cow_thaw(struct cow_disk *c)
{
	struct cow_layer *top = &c->layers[c->nr - 1];

	top->frozen = top->header.flags & COW_SEALED;
}

int cow_layer_load(const struct cow_disk *c, int fd, struct cow_layer *l,
		   struct err *err)
{
	*l = (struct cow_layer){ .fd = fd };
	if (cow_layer_read(l, err) == 0) {
		if (l->empty && !(l->header.flags & COW_SEALED) &&
		    l->header.size == c->disk.size)
			return 0;
		err_set(err, ERR_IO, "disk layer: not made for this disk");
	}
	cow_layer_close(l);
	return -1;
}

int cow_may_push(const struct cow_disk *c, struct err *err)
{
	if (c->nr >= COW_LAYERS_MAX)
		return err_set(err, ERR_LIMIT, "a disk of more than %d layers",
			       COW_LAYERS_MAX);
	if (c->broken)
		return err_sys(err, c->broken,
			       "disk: an earlier flush failed");
	return 0;
}

void cow_push(struct cow_disk *c, struct cow_layer *l)
{
	BUG_ON(c->nr >= COW_LAYERS_MAX);
	BUG_ON(c->nr > 0 && !c->layers[c->nr - 1].frozen);
	c->layers[c->nr++] = *l;
	*l = (struct cow_layer){ .fd = -1 };
	c->disk.read_only = false;
}

void cow_drop_top(struct cow_disk *c)
{
	cow_layer_close(&c->layers[--c->nr]);
}
