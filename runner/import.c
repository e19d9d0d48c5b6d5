/* SPDX-License-Identifier: MIT */
/*
 * runner/import.c - the files of an exported snapshot are received
 *
 * podflared, work thread.  Distrusts the file: nobody knows where it comes from.
 * Each record is checked before any of it is written; names are our own, sizes
 * those that were agreed upon, data come in order and once.  What the files hold
 * is for the VMM to check.  A client that falls silent is given up.
 */
#include "runner/import.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/cowfmt.h"
#include "common/crc32.h"
#include "common/snapfile.h"
#include "runner/chain.h"
#include "runner/saved.h"
#include "runner/upload.h"

#define STATE_MAX (4 * MIB)

struct import {
	const struct import_plan *plan;
	struct import_stream *s;
	int dirfd;
	/* of the stream */
	const uint8_t *data;	/* of the frame that is being read */
	size_t left;
	bool ended;		/* by an END frame */
	uint64_t at;		/* bytes so far */
	struct crc32 crc;
	/* of the file that is being written */
	unsigned int which;	/* enum snapfile_file, 0: none yet */
	int fd;
	uint64_t size, done;
	struct cow_header h;	/* of the disk */
	uint64_t total;		/* bytes of data records */
	uint8_t chunk[SNAPFILE_DATA_MAX];
};

/* ---- bytes in ---- */

/* More bytes, or the end. Return: 0, or -1 with @err. */
static int fill(struct import *m, struct err *err)
{
	struct frame f;

	if (upload_frame(m->s->fd, &m->s->in, &f, err) < 0)
		return -1;
	if (f.type == AGENT_END && f.len == 0) {
		m->ended = true;
		return 0;
	}
	if (f.type != AGENT_DATA)
		return err_set(err, ERR_PROTOCOL, "frame of type %u in a "
			       "snapshot", f.type);
	m->data = f.data;
	m->left = f.len;
	return 0;
}

static int get(struct import *m, void *out, size_t len, struct err *err)
{
	uint8_t *p = out;

	while (len) {
		size_t n = MIN(len, m->left);

		if (n == 0 && m->ended)
			return err_set(err, ERR_IO, "it was cut short, at byte "
				       "%llu", (unsigned long long)m->at);
		if (n == 0) {
			if (fill(m, err) < 0)
				return -1;
			continue;
		}
		memcpy(p, m->data, n);
		m->data += n;
		m->left -= n;
		m->at += n;
		p += n;
		len -= n;
	}
	return 0;
}

static int damaged(const struct import *m, struct err *err)
{
	return err_set(err, ERR_IO, "it is damaged at about byte %llu",
		       (unsigned long long)m->at);
}

static int get_summed(struct import *m, void *out, size_t len,
		      struct err *err)
{
	if (get(m, out, len, err) < 0)
		return -1;
	crc32_add(&m->crc, out, len);
	return 0;
}

static int check_sum(struct import *m, struct err *err)
{
	uint32_t crc;

	if (get(m, &crc, sizeof(crc), err) < 0)
		return -1;
	return crc == crc32_value(&m->crc) ? 0 : damaged(m, err);
}

/* ---- files ---- */

static int write_at(int fd, const uint8_t *p, size_t len, uint64_t at,
		    struct err *err)
{
	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(pwrite(fd, p, len, (off_t)at));

		if (n <= 0)
			return err_sys(err, n < 0 ? errno : EIO,
				       "cannot write");
		p += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* All clusters are the layer's own: what nobody writes is zero, whatever lies
 * below. */
static int begin_disk(struct import *m, struct err *err)
{
	uint64_t clusters = m->size / COW_CLUSTER, at = 0;
	uint8_t ones[4096];

	if (cow_format_init(m->fd, m->size, err) < 0 ||
	    cow_format_load(m->fd, &m->h, err) < 0)
		return -1;
	memset(ones, 0xff, sizeof(ones));
	for (; at + sizeof(ones) <= clusters / 8; at += sizeof(ones))
		if (write_at(m->fd, ones, sizeof(ones), m->h.bitmap_off + at,
			     err) < 0)
			return -1;
	ones[clusters / 8 - at] = (uint8_t)((1u << clusters % 8) - 1);
	return write_at(m->fd, ones, (size_t)(clusters / 8 - at) +
			(clusters % 8 != 0), m->h.bitmap_off + at, err);
}

static int finish_file(struct import *m, struct err *err)
{
	if (!m->which)
		return 0;
	if (fdatasync(m->fd) < 0)
		return err_sys(err, errno, "cannot write");
	if (m->which == SNAPFILE_DISK) {
		m->h.flags |= COW_SEALED;
		if (cow_format_store(m->fd, &m->h) < 0)
			return err_sys(err, errno, "cannot write");
	}
	if (fsync(m->fd) < 0)
		return err_sys(err, errno, "cannot write");
	close(steal_fd(&m->fd));
	return 0;
}

/* Whether that file may come now, and be so long. */
static bool is_expected(const struct import *m, uint64_t which, uint64_t size)
{
	const struct import_plan *p = m->plan;

	switch (which) {
	case SNAPFILE_STATE:
		return !m->which && !p->disk_only && size && size <= STATE_MAX;
	case SNAPFILE_MEMORY:
		return m->which == SNAPFILE_STATE && size == p->memory;
	case SNAPFILE_BASE:
		return m->which == SNAPFILE_MEMORY && size == p->memory;
	case SNAPFILE_DISK:
		return size == p->disk &&
		       (p->disk_only ? !m->which
				     : m->which == SNAPFILE_MEMORY ||
				       m->which == SNAPFILE_BASE);
	default:
		return false;
	}
}

static int begin_file(struct import *m, const struct snapfile_record *r,
		      struct err *err)
{
	static const char *const names[SNAPFILE_FILES] = {
		[SNAPFILE_STATE] = SAVED_STATE,
		[SNAPFILE_MEMORY] = SAVED_MEMORY,
		[SNAPFILE_BASE] = SAVED_TEMPLATE,
	};
	char disk[CHAIN_NAME];
	const char *name;
	uint64_t size;

	if (r->len != sizeof(size))
		return damaged(m, err);
	memcpy(&size, m->chunk, sizeof(size));
	if (!is_expected(m, r->at, size))
		return damaged(m, err);
	if (finish_file(m, err) < 0)
		return -1;
	chain_name(disk, 0);
	name = r->at == SNAPFILE_DISK ? disk : names[r->at];
	m->fd = openat(m->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
		       O_CLOEXEC, 0600);
	if (m->fd < 0)
		return err_sys(err, errno, "%s", name);
	m->which = (unsigned int)r->at;
	m->size = size;
	m->done = 0;
	if (r->at == SNAPFILE_DISK)
		return begin_disk(m, err);
	return ftruncate(m->fd, (off_t)size) < 0
		? err_sys(err, errno, "%s", name) : 0;
}

static int add_data(struct import *m, const struct snapfile_record *r,
		    struct err *err)
{
	uint64_t off = m->which == SNAPFILE_DISK ? m->h.data_off : 0;

	if (!m->which || !r->len || r->at < m->done || r->at > m->size ||
	    r->len > m->size - r->at)
		return damaged(m, err);
	m->done = r->at + r->len;
	m->total += r->len;
	return write_at(m->fd, m->chunk, r->len, off + r->at, err);
}

static int finish(struct import *m, const struct snapfile_record *r,
		  struct err *err)
{
	if (r->len || r->at != m->total || m->which != SNAPFILE_DISK)
		return damaged(m, err);
	if (finish_file(m, err) < 0)
		return -1;
	while (!m->ended && !m->left)
		if (fill(m, err) < 0)
			return -1;
	if (m->left)
		return err_set(err, ERR_IO, "there are bytes behind its end");
	if (fsync(m->dirfd) < 0)
		return err_sys(err, errno, "cannot write");
	return 0;
}

/* The first bytes; the text was looked at before. */
static int get_head(struct import *m, struct err *err)
{
	size_t len = strlen(m->plan->meta);
	CLEANUP_FREE char *text = malloc(len + 1);
	struct snapfile_header h;

	if (!text)
		return err_set(err, ERR_NO_MEMORY, "import");
	crc32_begin(&m->crc);
	if (get_summed(m, &h, sizeof(h), err) < 0 ||
	    snapfile_check_header(&h, err) < 0)
		return -1;
	if (h.meta_len != len)
		return damaged(m, err);
	if (get_summed(m, text, len, err) < 0)
		return -1;
	if (memcmp(text, m->plan->meta, len) != 0)
		return damaged(m, err);
	return check_sum(m, err);
}

/* Return: 1, 0 after the last one, -1 with @err. */
static int get_record(struct import *m, struct err *err)
{
	struct snapfile_record r;

	if (get_summed(m, &r, sizeof(r), err) < 0)
		return -1;
	if (r.len > sizeof(m->chunk))
		return damaged(m, err);
	if (get_summed(m, m->chunk, r.len, err) < 0 || check_sum(m, err) < 0)
		return -1;
	switch (r.type) {
	case SNAPFILE_FILE:
		return begin_file(m, &r, err) < 0 ? -1 : 1;
	case SNAPFILE_DATA:
		return add_data(m, &r, err) < 0 ? -1 : 1;
	case SNAPFILE_END:
		return finish(m, &r, err);
	default:
		return damaged(m, err);
	}
}

int import_receive(int dirfd, const struct import_plan *plan,
		   struct import_stream *s, struct err *err)
{
	struct import *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return err_set(err, ERR_NO_MEMORY, "import");
	m->plan = plan;
	m->s = s;
	m->dirfd = dirfd;
	m->fd = -1;
	rc = get_head(m, err);
	while (rc >= 0 && (rc = get_record(m, err)) > 0)
		;
	if (m->fd >= 0)
		close(m->fd);
	free(m);
	return rc;
}
