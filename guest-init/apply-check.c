/* SPDX-License-Identifier: MIT */
/*
 * guest-init/apply-check.c - whether what APPLY is to change is what was told
 *
 * A child of pid 1.
 */
#include <errno.h>

#include "common/agent.h"
#include "guest-init/apply.h"
#include "guest-init/compare.h"

static int busy(const struct apply_op *op, const char *why, struct err *err)
{
	return err_set(err, ERR_BUSY, "%.500s: %s", op->path, why);
}

static uint64_t nanoseconds(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static bool is_expected(const struct apply_op *op, const struct layer_dir *dir,
			const char *base, const struct layer_entry *e)
{
	const struct stat *st = &e->now_st;

	if (op->image && (!e->old || compare_entry(dir, base, e) != 0))
		return false;
	if (op->has_ino && op->old_ino != (e->upper ? st->st_ino : 0))
		return false;
	return !op->has_ctime || op->old_ctime == nanoseconds(st->st_ctim);
}

/* A folder that others were copied up into. If something new is in one that is
 * to go, its removal tells. */
static bool is_same_folder(const struct apply_op *op,
			   const struct layer_entry *e)
{
	const struct stat *was = &op->was, *now = &e->now_st;

	return S_ISDIR(was->st_mode) && was->st_mode == now->st_mode &&
	       was->st_uid == now->st_uid && was->st_gid == now->st_gid;
}

static int check(struct lookup *l, struct apply_op *op, bool again,
		 struct err *err)
{
	const struct layer_dir *dir;
	struct layer_entry e;
	const char *base;

	if (lookup_find(l, op->path, &dir, &base, &e) < 0)
		return err_sys(err, errno, "%.500s", op->path);
	if (op->change & AGENT_CHANGE_ADDED)
		return e.now ? busy(op, "is there already", err) : 0;
	if (!e.now)
		return busy(op, "is not there any more", err);
	if (!(again && is_same_folder(op, &e)) &&
	    !is_expected(op, dir, base, &e))
		return busy(op, "has changed", err);
	if ((op->change & AGENT_CHANGE_CONTENT) &&
	    (S_ISDIR(op->mode) || S_ISDIR(e.now_st.st_mode)))
		return err_set(err, ERR_PROTOCOL, "%.300s: a folder has no "
			       "content", op->path);
	op->was = e.now_st;
	op->of_image = e.old && !e.upper && e.now_st.st_ino == e.old_st.st_ino &&
		       e.now_st.st_dev == e.old_st.st_dev;
	return 0;
}

int apply_check(struct apply *a, bool again, struct err *err)
{
	struct lookup l;
	int rc = 0;

	lookup_init(&l, a->layers);
	for (size_t i = 0; rc == 0 && i < a->n; i++)
		rc = check(&l, &a->ops[i], again, err);
	lookup_free(&l);
	return rc;
}
