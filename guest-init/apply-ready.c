/* SPDX-License-Identifier: MIT */
/*
 * guest-init/apply-ready.c - APPLY: all that takes time or room, beforehand
 *
 * A child of pid 1, after the first check.  So that in the moment in which the
 * commands stand still there are only renames left: what overlayfs would copy
 * from the image then is copied now, blocks that folders may grow by are kept
 * free up to that moment, and what is new is whole on the disk.  None of this
 * changes what anybody sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/frame.h"
#include "guest-init/apply.h"

#define RESERVE "reserve"
#define RESERVE_BYTES (256 * KIB)	/* and a block for each change */
#define RESERVE_STEPS 4096
#define BLOCK 4096

/* By its own mode or owner, set again. */
static int copy_up(int dir, const char *base, const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return fchownat(dir, base, st->st_uid, st->st_gid,
				AT_SYMLINK_NOFOLLOW);
	return fchmodat(dir, base, st->st_mode & 07777, 0);
}

/* Another inode from now on, which is what is expected then. */
static int copy_up_target(struct apply_op *op, struct lookup *l, int dir,
			  const char *base)
{
	const struct layer_dir *layer;
	struct layer_entry e;
	const char *again;

	if (copy_up(dir, base, &op->was) < 0)
		return -1;
	lookup_free(l);
	if (lookup_find(l, op->path, &layer, &again, &e) < 0)
		return -1;
	op->image = false;
	op->has_ino = op->has_ctime = true;
	op->old_ino = e.now_st.st_ino;
	op->old_ctime = (uint64_t)e.now_st.st_ctim.tv_sec * 1000000000ULL +
			(uint64_t)e.now_st.st_ctim.tv_nsec;
	return 0;
}

static int ready_one(struct apply *a, struct lookup *l, struct apply_op *op)
{
	const struct layer_dir *layer;
	struct layer_entry e;
	const char *base;
	struct stat st;
	int dir = apply_parent(a, op->path, &base);

	/* in a folder that is new itself, or in the way of a mount: it is found
	 * out when it is put in place */
	if (dir < 0)
		return 0;
	if (lookup_find(l, op->path, &layer, &base, &e) < 0)
		return -1;
	if (layer->upper < 0 &&
	    (fstat(dir, &st) < 0 || copy_up(dir, ".", &st) < 0))
		return -1;
	if (op->change == AGENT_CHANGE_META && e.now && !e.upper)
		return copy_up_target(op, l, dir, base);
	return 0;
}

static int reserve(struct apply *a)
{
	CLEANUP_FD int fd = openat(a->folder, RESERVE, O_WRONLY | O_CREAT |
				   O_EXCL | O_CLOEXEC, 0600);
	off_t size = (off_t)(RESERVE_BYTES +
			     MIN(a->n, (size_t)RESERVE_STEPS) * BLOCK);
	int sys = fd < 0 ? errno : posix_fallocate(fd, 0, size);

	if (fd >= 0)
		unlinkat(a->folder, RESERVE, 0);
	/* a file system that cannot: then it is found out later */
	return sys == EOPNOTSUPP || sys == EINVAL ? 0 : sys;
}

int apply_ready(struct apply *a, struct err *err)
{
	struct lookup l;
	int rc = 0;

	lookup_init(&l, a->layers);
	for (size_t i = 0; rc == 0 && i < a->n; i++)
		if (ready_one(a, &l, &a->ops[i]) < 0)
			rc = err_sys(err, errno, "%.500s", a->ops[i].path);
	lookup_free(&l);
	apply_forget(a);
	if (rc < 0)
		return -1;
	rc = reserve(a);
	if (rc)
		return err_sys(err, rc, "room for the changes");
	return syncfs(a->folder) < 0 ? err_sys(err, errno, "disk") : 0;
}

/* Where they cannot stand still, or some do not: then the changes are less than
 * one step for them, and a check may come too late by that much. */
void apply_freeze(int fd)
{
	struct frame_reader in = { .buf = BUF_INIT };
	struct frame f;

	if (fd >= 0 && frame_write(fd, AGENT_FREEZE, NULL, 0) == 0)
		(void)frame_read(&in, fd, &f);
	frame_reader_free(&in);
}
