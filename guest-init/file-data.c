/* SPDX-License-Identifier: MIT */
/*
 * guest-init/file-data.c - a regular file's bytes and holes, to and from tar
 *
 * A transfer's process.
 */
#include "guest-init/file-data.h"

#include <errno.h>
#include <unistd.h>

#define HOLE_MIN 16384		/* zeros; aligned in the file */
#define EXTENTS_MAX 65536	/* more are not told apart */

static bool all_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Bytes up to the next place where a hole may begin. */
static size_t piece(uint64_t at, size_t len)
{
	return MIN(len, (size_t)(HOLE_MIN - at % HOLE_MIN));
}

static bool is_hole(const uint8_t *p, size_t len)
{
	return len == HOLE_MIN && all_zero(p, len);
}

/* Zeros that fill a whole hole are left out; the file's size is set later. */
static int write_at(int fd, const uint8_t *p, size_t len, uint64_t at)
{
	while (len) {
		size_t n = piece(at, len);
		ssize_t done = (ssize_t)n;

		if (!is_hole(p, n)) {
			while (n < len && !is_hole(p + n, piece(at + n, len - n)))
				n += piece(at + n, len - n);
			done = pwrite(fd, p, n, (off_t)at);
		}
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		len -= (size_t)done;
		at += (uint64_t)done;
	}
	return 0;
}

/* Gathered, so that a frame's end is no end of a run of zeros. */
static int write_extent(int fd, struct stream_in *in, struct tar_extent x,
			const char *name, struct err *err)
{
	static uint8_t bytes[4 * HOLE_MIN];

	while (x.len) {
		size_t room = sizeof(bytes) - (size_t)(x.offset % HOLE_MIN);
		size_t n = (size_t)MIN(x.len, room);
		int rc = stream_read(in, bytes, n, err);

		if (rc == 0)
			return err_set(err, ERR_FAILED, "%.500s: the archive "
				       "is cut short", name);
		if (rc < 0)
			return -1;
		if (write_at(fd, bytes, n, x.offset) < 0)
			return err_sys(err, errno, "%.500s", name);
		x.offset += n;
		x.len -= n;
	}
	return 0;
}

int file_data_write(int fd, struct stream_in *in, const struct tar_entry *e,
		    struct err *err)
{
	const struct tar_extent whole = { 0, e->stored };
	const struct tar_extent *x = e->sparse ? e->extents : &whole;
	size_t n = e->sparse ? e->nr_extents : 1;

	for (size_t i = 0; i < n; i++)
		if (write_extent(fd, in, x[i], e->name, err) < 0)
			return -1;
	if (ftruncate(fd, (off_t)e->size) < 0)
		return err_sys(err, errno, "%.500s", e->name);
	return 0;
}

int file_data_map(int fd, struct tar_entry *e, struct err *err)
{
	off_t data = 0, hole = 0, size = (off_t)e->size;

	e->stored = e->size;
	/* one without holes is the rule, and is asked once */
	if (lseek(fd, 0, SEEK_HOLE) == size || size == 0)
		return 0;
	e->stored = 0;
	while (hole < size) {
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;	/* a hole up to the end */
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < 0 || hole <= data || e->nr_extents >= EXTENTS_MAX) {
			/* not known here, or not worth it: it is all data */
			e->stored = e->size;
			e->nr_extents = 0;
			return 0;
		}
		hole = MIN(hole, size);
		if (data >= size)
			break;
		if (tar_extent_add(e, (uint64_t)data, (uint64_t)(hole - data),
				   err) < 0)
			return -1;
		e->stored += (uint64_t)(hole - data);
	}
	/* the size is told by an empty extent behind the last hole */
	e->sparse = true;
	return tar_extent_add(e, e->size, 0, err);
}

static int read_extent(int fd, struct stream_out *out, struct tar_extent x,
		       bool *shrank, struct err *err)
{
	while (x.len) {
		size_t room = sizeof(out->bytes) - out->len;
		size_t n = (size_t)MIN(x.len, room);
		ssize_t got = pread(fd, out->bytes + out->len, n,
				    (off_t)x.offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, errno, "read");
		if (got == 0) {
			*shrank = true;
			return stream_zeros(out, x.len, err);
		}
		out->len += (size_t)got;
		x.offset += (uint64_t)got;
		x.len -= (uint64_t)got;
		if (out->len == sizeof(out->bytes) && stream_flush(out, err) < 0)
			return -1;
	}
	return 0;
}

int file_data_read(int fd, struct stream_out *out, const struct tar_entry *e,
		   bool *shrank, struct err *err)
{
	const struct tar_extent whole = { 0, e->stored };
	const struct tar_extent *x = e->sparse ? e->extents : &whole;
	size_t n = e->sparse ? e->nr_extents : 1;

	for (size_t i = 0; i < n; i++)
		if (read_extent(fd, out, x[i], shrank, err) < 0)
			return -1;
	return 0;
}
