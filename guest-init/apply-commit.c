/* SPDX-License-Identifier: MIT */
/*
 * guest-init/apply-commit.c - APPLY: out with the old, in with the new
 *
 * A child of pid 1.  What was checked may have changed since: a step that finds
 * something else fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include "common/agent.h"
#include "guest-init/apply.h"

static int fail(const struct apply_op *op, struct err *err)
{
	int sys = errno;

	err_sys(err, sys, "%.500s", op->path);
	if (sys == ENOTEMPTY || sys == EEXIST || sys == ENOENT ||
	    sys == ENOTDIR || sys == EISDIR || sys == ELOOP)
		err->code = ERR_BUSY;
	return -1;
}

/* It has to go before the new can come. */
static bool goes_first(const struct apply_op *op)
{
	if (op->change & AGENT_CHANGE_DELETED)
		return true;
	return (op->change & AGENT_CHANGE_TYPE) &&
	       (S_ISDIR(op->was.st_mode) || S_ISDIR(op->mode));
}

static int remove_old(struct apply *a, struct apply_op *op)
{
	struct apply_name name = apply_name(a, op, true);
	const char *base;
	int dir = apply_parent(a, op->path, &base);

	if (dir < 0)
		return -1;
	if (S_ISDIR(op->was.st_mode)) {
		apply_forget(a);
		dir = apply_parent(a, op->path, &base);
		return dir < 0 ? -1 : unlinkat(dir, base, AT_REMOVEDIR);
	}
	if (op->of_image)
		return unlinkat(dir, base, 0);
	return apply_rename(dir, base, a->folder, name.text, RENAME_NOREPLACE);
}

static int set_meta(struct apply *a, struct apply_op *op)
{
	const char *base;
	int dir = apply_parent(a, op->path, &base);

	if (dir < 0 ||
	    fchownat(dir, base, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	op->done |= APPLY_SET;
	return S_ISLNK(op->mode) ? 0 : fchmodat(dir, base, op->mode & 07777, 0);
}

static int place_new(struct apply *a, struct apply_op *op)
{
	struct apply_name name = apply_name(a, op, false);
	bool swap = op->was.st_mode && !(op->done & APPLY_REMOVED) &&
		    !op->of_image;
	unsigned int flags = swap ? RENAME_EXCHANGE :
		op->was.st_mode && !(op->done & APPLY_REMOVED) ? 0 :
		RENAME_NOREPLACE;
	const char *base;
	int dir = apply_parent(a, op->path, &base);

	if (dir < 0 || apply_rename(a->folder, name.text, dir, base, flags) < 0)
		return -1;
	op->done |= swap ? APPLY_PLACED | APPLY_SWAPPED : APPLY_PLACED;
	return 0;
}

/* What was put into a folder has changed its time. */
static int set_folder_time(struct apply *a, const struct apply_op *op)
{
	const char *base;
	int dir = apply_parent(a, op->path, &base);

	return dir < 0 ? -1 : apply_attributes(-1, dir, base, op);
}

int apply_commit(struct apply *a, struct err *err)
{
	for (size_t i = a->n; i-- > 0;) {
		struct apply_op *op = &a->ops[i];

		if (!goes_first(op))
			continue;
		if (remove_old(a, op) < 0)
			return fail(op, err);
		op->done |= APPLY_REMOVED;
	}
	apply_forget(a);
	for (size_t i = 0; i < a->n; i++) {
		struct apply_op *op = &a->ops[i];

		if (op->change == AGENT_CHANGE_META ? set_meta(a, op) < 0 :
		    !(op->change & AGENT_CHANGE_DELETED) && place_new(a, op) < 0)
			return fail(op, err);
	}
	for (size_t i = a->n; i-- > 0;) {
		struct apply_op *op = &a->ops[i];

		if ((op->done & APPLY_PLACED) && S_ISDIR(op->mode) &&
		    set_folder_time(a, op) < 0)
			return fail(op, err);
	}
	return 0;
}
