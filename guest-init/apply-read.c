/* SPDX-License-Identifier: MIT */
/*
 * guest-init/apply-read.c - APPLY's stream, and what is new in it
 *
 * A child of pid 1.  The records are the host's, checked in form: sorted by
 * path, with all that their kind of change needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"
#include "guest-init/apply.h"
#include "guest-init/asked.h"

#define RECORD_MAX (64 * KIB)
#define KINDS (AGENT_CHANGE_ADDED | AGENT_CHANGE_DELETED | \
	       AGENT_CHANGE_CONTENT | AGENT_CHANGE_META | AGENT_CHANGE_TYPE)

static int set_text(char **to, const struct tlv *t, struct err *err)
{
	free(*to);
	*to = tlv_strdup(t);
	return *to ? 0 : err_set(err, ERR_PROTOCOL, "a value holds a NUL");
}

static int set_value(struct apply_op *op, const struct tlv *t, struct err *err)
{
	switch (t->tag) {
	case AGENT_T_PATH:
		return set_text(&op->path, t, err);
	case AGENT_T_LINK:
		return set_text(&op->link, t, err);
	case AGENT_T_HARDLINK:
		return set_text(&op->hardlink, t, err);
	case AGENT_T_CHANGE:
		op->change = tlv_u32(t);
		break;
	case AGENT_T_MODE:
		op->mode = tlv_u32(t);
		break;
	case AGENT_T_UID:
		op->uid = tlv_u32(t);
		break;
	case AGENT_T_GID:
		op->gid = tlv_u32(t);
		break;
	case AGENT_T_MTIME:
		op->mtime = tlv_u64(t);
		break;
	case AGENT_T_RDEV:
		op->rdev = tlv_u64(t);
		break;
	case AGENT_T_OLD_INO:
		op->old_ino = tlv_u64(t);
		op->has_ino = true;
		break;
	case AGENT_T_OLD_CTIME:
		op->old_ctime = tlv_u64(t);
		op->has_ctime = true;
		break;
	case AGENT_T_IMAGE:
		op->image = tlv_u32(t) != 0;
		break;
	default:
		break;
	}
	return 0;
}

static bool is_new(const struct apply_op *op)
{
	return op->change & (AGENT_CHANGE_ADDED | AGENT_CHANGE_CONTENT |
			     AGENT_CHANGE_TYPE);
}

/* The values that the change needs are there. */
static int check_form(const struct apply *a, const struct apply_op *op,
		      struct err *err)
{
	const char *last = a->n > 1 ? op[-1].path : "";
	bool expects = op->has_ino || op->has_ctime || op->image;

	if (!op->path || op->path[0] != '/')
		return err_set(err, ERR_PROTOCOL, "a change without a path");
	if (strcmp(last, op->path) >= 0)
		return err_set(err, ERR_PROTOCOL, "%.300s: not in order",
			       op->path);
	if (!(op->change & KINDS) || (op->change & ~(uint32_t)KINDS) ||
	    (!op->path[1] && op->change != AGENT_CHANGE_META))
		return err_set(err, ERR_PROTOCOL, "%.300s: not such a change",
			       op->path);
	if (!(op->change & AGENT_CHANGE_ADDED) && !expects)
		return err_set(err, ERR_PROTOCOL, "%.300s: what is there is not "
			       "told", op->path);
	if (!(op->change & AGENT_CHANGE_DELETED) && !(op->mode & S_IFMT))
		return err_set(err, ERR_PROTOCOL, "%.300s: no mode", op->path);
	if (is_new(op) && S_ISLNK(op->mode) && !op->link)
		return err_set(err, ERR_PROTOCOL, "%.300s: no target", op->path);
	return 0;
}

static struct apply_op *add(struct apply *a, size_t bytes, struct err *err)
{
	size_t room = a->room ? 2 * a->room : 64;
	struct apply_op *grown;

	a->bytes += bytes;
	if (a->bytes > APPLY_MAX) {
		err_set(err, ERR_LIMIT, "more than %llu MiB of changes",
			APPLY_MAX / MIB);
		return NULL;
	}
	if (a->n == a->room) {
		grown = realloc(a->ops, room * sizeof(*grown));
		if (!grown) {
			err_sys(err, ENOMEM, "changes");
			return NULL;
		}
		a->ops = grown;
		a->room = room;
	}
	a->ops[a->n] = (struct apply_op){ 0 };
	return &a->ops[a->n++];
}

static int parse(struct apply *a, struct apply_op *op, const struct buf *b,
		 struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(b->data, b->len, &pos, &t)) > 0)
		if (set_value(op, &t, err) < 0)
			return -1;
	if (rc < 0)
		return err_set(err, ERR_PROTOCOL, "malformed record");
	return check_form(a, op, err);
}

static int read_whole(struct stream_in *in, void *to, size_t len,
		      struct err *err)
{
	int rc = stream_read(in, to, len, err);

	return rc == 0 ? err_set(err, ERR_PROTOCOL, "a file is cut short") : rc;
}

static int write_extent(int fd, struct stream_in *in, uint64_t at, uint64_t len,
			const char *path, struct err *err)
{
	while (len) {
		const void *data;
		ssize_t n = stream_some(in, &data, (size_t)MIN(len, MIB), err);

		if (n == 0)
			return err_set(err, ERR_PROTOCOL, "a file is cut short");
		if (n < 0)
			return -1;
		for (size_t done = 0; done < (size_t)n;) {
			ssize_t rc = pwrite(fd, (const uint8_t *)data + done,
					    (size_t)n - done,
					    (off_t)(at + done));

			if (rc < 0 && errno != EINTR)
				return err_sys(err, errno, "%.500s", path);
			done += rc < 0 ? 0 : (size_t)rc;
		}
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* As of FETCH: extents in order, then the size. */
static int write_content(int fd, struct stream_in *in, const char *path,
			 struct err *err)
{
	uint64_t head[2], end = 0;

	for (;;) {
		if (read_whole(in, head, sizeof(head), err) < 0)
			return -1;
		if (head[0] < end || head[0] > INT64_MAX ||
		    head[1] > INT64_MAX - head[0])
			return err_set(err, ERR_PROTOCOL, "%.300s: data out of "
				       "order", path);
		if (!head[1])
			break;
		if (write_extent(fd, in, head[0], head[1], path, err) < 0)
			return -1;
		end = head[0] + head[1];
	}
	if (ftruncate(fd, (off_t)head[0]) < 0)
		return err_sys(err, errno, "%.500s", path);
	return 0;
}

int apply_attributes(int fd, int dir, const char *name,
		     const struct apply_op *op)
{
	const struct timespec t = {
		.tv_sec = (int64_t)op->mtime / 1000000000 -
			  ((int64_t)op->mtime % 1000000000 < 0),
		.tv_nsec = ((int64_t)op->mtime % 1000000000 + 1000000000) %
			   1000000000,
	};
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, t };

	/* a change of owner takes bits of the mode away */
	if (fd >= 0)
		return fchown(fd, op->uid, op->gid) < 0 ||
		       fchmod(fd, op->mode & 07777) < 0 ||
		       futimens(fd, times) < 0 ? -1 : 0;
	if (fchownat(dir, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISLNK(op->mode) && fchmodat(dir, name, op->mode & 07777, 0) < 0)
		return -1;
	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
}

static int make_file(struct apply *a, const struct apply_op *op,
		     struct stream_in *in, struct err *err)
{
	struct apply_name name = apply_name(a, op, false);
	CLEANUP_FD int fd = openat(a->folder, name.text, O_WRONLY | O_CREAT |
				   O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, errno, "%.500s", op->path);
	if (write_content(fd, in, op->path, err) < 0)
		return -1;
	if (apply_attributes(fd, -1, NULL, op) < 0)
		return err_sys(err, errno, "%.500s", op->path);
	return 0;
}

/* An earlier record's object gets another name. */
static int make_hardlink(struct apply *a, const struct apply_op *op,
			 struct err *err)
{
	size_t from = 0, to = a->n - 1;
	struct apply_name name = apply_name(a, op, false), first;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(a->ops[mid].path, op->hardlink) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	if (from == a->n - 1 || strcmp(a->ops[from].path, op->hardlink) != 0 ||
	    !is_new(&a->ops[from]) || !S_ISREG(a->ops[from].mode))
		return err_set(err, ERR_PROTOCOL, "%.300s: linked to what is not "
			       "new", op->path);
	first = apply_name(a, &a->ops[from], false);
	if (linkat(a->folder, first.text, a->folder, name.text, 0) < 0)
		return err_sys(err, errno, "%.500s", op->path);
	return 0;
}

static int make_other(struct apply *a, const struct apply_op *op,
		      struct err *err)
{
	struct apply_name name = apply_name(a, op, false);
	int rc;

	if (S_ISDIR(op->mode))
		rc = mkdirat(a->folder, name.text, 0700);
	else if (S_ISLNK(op->mode))
		rc = symlinkat(op->link, a->folder, name.text);
	else
		rc = mknodat(a->folder, name.text, (op->mode & S_IFMT) | 0600,
			     (dev_t)op->rdev);
	if (rc < 0 || apply_attributes(-1, a->folder, name.text, op) < 0)
		return err_sys(err, errno, "%.500s", op->path);
	return 0;
}

static int make(struct apply *a, const struct apply_op *op,
		struct stream_in *in, struct err *err)
{
	if (!is_new(op))
		return 0;
	if (!S_ISREG(op->mode))
		return make_other(a, op, err);
	if (op->hardlink)
		return make_hardlink(a, op, err);
	return make_file(a, op, in, err);
}

int apply_read(struct apply *a, struct stream_in *in, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int rc;

	while ((rc = asked_record(&b, RECORD_MAX, in, err)) > 0) {
		struct apply_op *op = add(a, b.len + sizeof(*op), err);

		if (!op || parse(a, op, &b, err) < 0 ||
		    make(a, op, in, err) < 0)
			return -1;
	}
	return rc;
}
