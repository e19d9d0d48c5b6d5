/* SPDX-License-Identifier: MIT */
/*
 * guest-init/fetch.c - files by their paths: HASH and FETCH
 *
 * A child of pid 1.  The paths are the host's, the files the guest's, and may
 * change while they are read; only regular files are opened.
 */
#include "guest-init/fetch.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "guest-init/asked.h"
#include "guest-init/lookup.h"
#include "guest-init/record.h"
#include "guest-init/sha256.h"

#define TRIES 3

struct fetch {
	struct lookup lookup;
	struct stream_out *out;
	uint8_t bytes[64 * 1024];
};

/* What one request is about, found. */
struct found {
	const struct asked *asked;
	const struct layer_dir *dir;
	const char *base;
	struct layer_entry e;
	struct stat st;
	int fd;			/* of a regular file */
};

static int open_found(struct found *f)
{
	if (!S_ISREG(f->st.st_mode))
		return 0;
	f->fd = layer_open(f->dir, f->base, &f->e, f->asked->image);
	if (f->fd < 0)
		return -1;
	return fstat(f->fd, &f->st);
}

/* Return: 0, or -1 with errno. */
static int find(struct lookup *l, const struct asked *a, struct found *f)
{
	int rc = -1;

	f->asked = a;
	f->fd = -1;
	/* one that is replaced meanwhile is another file */
	for (int i = 0; i < TRIES && rc < 0; i++) {
		if (lookup_find(l, a->path, &f->dir, &f->base, &f->e) < 0)
			return -1;
		if (a->image ? !f->e.old : !f->e.now) {
			errno = ENOENT;
			return -1;
		}
		f->st = a->image ? f->e.old_st : f->e.now_st;
		rc = open_found(f);
		if (rc < 0 && errno != ESTALE && errno != ENOENT)
			break;
	}
	return rc;
}

static int refuse(struct fetch *x, const struct asked *a, int sys,
		  struct err *err)
{
	struct record r;

	record_begin(&r, a->path, strlen(a->path));
	record_u32(&r, AGENT_T_ERRNO, (uint32_t)sys);
	return record_send(&r, x->out, err);
}

/* Why something that is no regular file has no digest. */
static int why_none(mode_t mode)
{
	return S_ISDIR(mode) ? EISDIR : S_ISLNK(mode) ? ELOOP : EINVAL;
}

static int send_digest(struct fetch *x, const struct found *f, struct err *err)
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;
	struct record r;
	ssize_t n;

	if (f->fd < 0)
		return refuse(x, f->asked, why_none(f->st.st_mode), err);
	sha256_init(&sha);
	while ((n = TEMP_FAILURE_RETRY(read(f->fd, x->bytes,
					    sizeof(x->bytes)))) > 0)
		sha256_update(&sha, x->bytes, (size_t)n);
	if (n < 0)
		return refuse(x, f->asked, errno, err);
	sha256_final(&sha, digest);
	record_begin(&r, f->asked->path, strlen(f->asked->path));
	record_bytes(&r, AGENT_T_DIGEST, digest, sizeof(digest));
	return record_send(&r, x->out, err);
}

static int send_extent(struct fetch *x, uint64_t at, size_t len, struct err *err)
{
	const uint64_t head[2] = { at, len };

	if (stream_write(x->out, head, sizeof(head), err) < 0)
		return -1;
	return stream_write(x->out, x->bytes, len, err);
}

/* Piece by piece, each with its place: one that has become shorter simply ends
 * there. Holes are left out where the file system tells. */
static int send_content(struct fetch *x, const struct found *f, struct err *err)
{
	off_t size = f->st.st_size, at = 0, hole = 0;

	while (at < size) {
		size_t room;
		ssize_t n;

		if (at == hole) {
			off_t data = lseek(f->fd, at, SEEK_DATA);

			if (data < 0 && errno == ENXIO)
				break;
			at = data < 0 ? at : data;
			hole = data < 0 ? -1 : lseek(f->fd, at, SEEK_HOLE);
			if (hole <= at)
				hole = size;	/* not known here */
			continue;
		}
		room = (size_t)MIN((off_t)sizeof(x->bytes), MIN(hole, size) - at);
		n = TEMP_FAILURE_RETRY(pread(f->fd, x->bytes, room, at));
		if (n < 0)
			return err_sys(err, errno, "%.500s", f->asked->path);
		if (n == 0)
			break;
		if (send_extent(x, (uint64_t)at, (size_t)n, err) < 0)
			return -1;
		at += n;
	}
	return send_extent(x, (uint64_t)size, 0, err);
}

static int send_file(struct fetch *x, const struct found *f, struct err *err)
{
	char target[PATH_MAX];
	struct record r;

	record_begin(&r, f->asked->path, strlen(f->asked->path));
	record_stat(&r, &f->st, !f->asked->image && f->e.upper);
	if (S_ISLNK(f->st.st_mode)) {
		r.links[0] = target;
		r.link_lens[0] = layer_readlink(f->dir, f->base, &f->e,
						f->asked->image, target);
		if (!r.link_lens[0])
			return refuse(x, f->asked, ESTALE, err);
	}
	if (record_send(&r, x->out, err) < 0)
		return -1;
	return f->fd < 0 ? 0 : send_content(x, f, err);
}

static int send_one(struct fetch *x, const struct asked *a, bool content,
		    struct err *err)
{
	struct found f;
	int rc;

	if (find(&x->lookup, a, &f) < 0)
		return refuse(x, a, errno, err);
	rc = content ? send_file(x, &f, err) : send_digest(x, &f, err);
	if (f.fd >= 0)
		close(f.fd);
	return rc;
}

int fetch_send(struct stream_in *in, bool content, const struct layers *layers,
	       struct stream_out *out, struct err *err)
{
	static struct fetch x;
	struct asked_list list = { 0 };
	int rc = asked_read(&list, in, err);

	x.out = out;
	lookup_init(&x.lookup, layers);
	for (size_t i = 0; rc == 0 && i < list.n; i++)
		rc = send_one(&x, &list.items[i], content, err);
	lookup_free(&x.lookup);
	asked_free(&list);
	return rc < 0 ? -1 : stream_flush(out, err);
}
