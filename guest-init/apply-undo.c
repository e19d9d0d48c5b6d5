/* SPDX-License-Identifier: MIT */
/*
 * guest-init/apply-undo.c - APPLY: what was done is taken back
 *
 * A child of pid 1.  Each step by itself: one that fails is told of and does
 * not keep the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "guest-init/apply.h"

/* What it was, as an operation that makes it. */
static struct apply_op old_op(const struct apply_op *op)
{
	return (struct apply_op){
		.mode = op->was.st_mode, .uid = op->was.st_uid,
		.gid = op->was.st_gid, .rdev = op->was.st_rdev,
		.mtime = (uint64_t)op->was.st_mtim.tv_sec * 1000000000ULL +
			 (uint64_t)op->was.st_mtim.tv_nsec,
	};
}

static int copy_bytes(int from, int to)
{
	static uint8_t bytes[64 * 1024];
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(read(from, bytes, sizeof(bytes)))) > 0)
		for (ssize_t done = 0; done < n;) {
			ssize_t rc = write(to, bytes + done, (size_t)(n - done));

			if (rc < 0 && errno != EINTR)
				return -1;
			done += rc < 0 ? 0 : rc;
		}
	return n < 0 ? -1 : 0;
}

static int copy_file(struct lookup *l, const struct apply_op *op, int dir,
		     const char *base)
{
	const struct layer_dir *image;
	const char *image_base;
	struct layer_entry e;
	CLEANUP_FD int from = -1;
	CLEANUP_FD int to = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL |
				   O_NOFOLLOW | O_CLOEXEC, 0600);

	if (to < 0 || lookup_find(l, op->path, &image, &image_base, &e) < 0)
		return -1;
	from = layer_open(image, image_base, &e, true);
	return from < 0 ? -1 : copy_bytes(from, to);
}

static int copy_link(struct lookup *l, const struct apply_op *op, int dir,
		     const char *base)
{
	const struct layer_dir *image;
	const char *image_base;
	struct layer_entry e;
	char target[PATH_MAX + 1];

	if (lookup_find(l, op->path, &image, &image_base, &e) < 0)
		return -1;
	target[layer_readlink(image, image_base, &e, true, target)] = '\0';
	return symlinkat(target, dir, base);
}

/* Folders, and what the image has: made again. */
static int make_again(struct apply *a, struct lookup *l,
		      const struct apply_op *op)
{
	struct apply_op old = old_op(op);
	const char *base;
	int dir = apply_parent(a, op->path, &base);
	int rc;

	if (dir < 0)
		return -1;
	if (S_ISDIR(old.mode))
		rc = mkdirat(dir, base, 0700);
	else if (S_ISREG(old.mode))
		rc = copy_file(l, op, dir, base);
	else if (S_ISLNK(old.mode))
		rc = copy_link(l, op, dir, base);
	else
		rc = mknodat(dir, base, (old.mode & S_IFMT) | 0600, old.rdev);
	return rc < 0 ? -1 : apply_attributes(-1, dir, base, &old);
}

static int take_back(struct apply *a, const struct apply_op *op)
{
	struct apply_name name = apply_name(a, op, false);
	const char *base;
	int dir = apply_parent(a, op->path, &base);

	if (dir < 0)
		return -1;
	return apply_rename(dir, base, a->folder, name.text,
			 op->done & APPLY_SWAPPED ? RENAME_EXCHANGE
						  : RENAME_NOREPLACE);
}

static int bring_back(struct apply *a, const struct apply_op *op)
{
	struct apply_name name = apply_name(a, op, true);
	const char *base;
	int dir = apply_parent(a, op->path, &base);

	return dir < 0 ? -1 : apply_rename(a->folder, name.text, dir, base,
					RENAME_NOREPLACE);
}

static int unset_meta(struct apply *a, const struct apply_op *op)
{
	struct apply_op old = old_op(op);
	const char *base;
	int dir = apply_parent(a, op->path, &base);

	return dir < 0 ? -1 : apply_attributes(-1, dir, base, &old);
}

/* The new goes, the last first. */
static int undo_new(struct apply *a, struct lookup *l, const struct apply_op *op)
{
	bool over = op->was.st_mode && op->of_image &&
		    !(op->done & (APPLY_REMOVED | APPLY_SWAPPED));

	if (op->done & APPLY_SET)
		return unset_meta(a, op);
	if (!(op->done & APPLY_PLACED))
		return 0;
	if (take_back(a, op) < 0)
		return -1;
	if (S_ISDIR(op->mode))
		apply_forget(a);
	return over ? make_again(a, l, op) : 0;
}

/* The old comes, the first first. */
static int undo_old(struct apply *a, struct lookup *l, const struct apply_op *op)
{
	if (!(op->done & APPLY_REMOVED))
		return 0;
	if (S_ISDIR(op->was.st_mode) || op->of_image)
		return make_again(a, l, op);
	return bring_back(a, op);
}

static void note(const struct apply_op *op, struct err *err)
{
	err_context(err, "%.200s could not be put back (%s)", op->path,
		    strerror(errno));
}

void apply_undo(struct apply *a, struct err *err)
{
	struct lookup l;

	lookup_init(&l, a->layers);
	apply_forget(a);
	for (size_t i = a->n; i-- > 0;)
		if (undo_new(a, &l, &a->ops[i]) < 0)
			note(&a->ops[i], err);
	apply_forget(a);
	for (size_t i = 0; i < a->n; i++)
		if (undo_old(a, &l, &a->ops[i]) < 0)
			note(&a->ops[i], err);
	lookup_free(&l);
}
