/* SPDX-License-Identifier: MIT */
/*
 * cli/same.c - whether a file is the same in two sandboxes
 *
 * Runs in the CLI, on records that change.c has checked.  A guest that lies
 * deceives about its own files only.
 */
#include "cli/same.h"

#include <sys/stat.h>

#define DOUBT_NS 2000000000LL

/* Same inode, and nothing that the kernel notes of a change differs. */
static bool untouched(const struct change *a, const struct change *b)
{
	return a->now.mode && a->ino && a->ino == b->ino &&
	       a->ctime == b->ctime && a->mtime == b->mtime &&
	       a->now.mode == b->now.mode && a->now.uid == b->now.uid &&
	       a->now.gid == b->now.gid && a->now.size == b->now.size;
}

/* See same.h. */
struct kin kin_of(const struct change_list *a, const struct change_list *b,
		  int64_t fork_ns)
{
	struct kin kin = { .related = fork_ns != 0, .trust = INT64_MIN };
	int64_t newest = INT64_MIN;

	if (!kin.related)
		return kin;
	for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
		int order = strcmp(a->v[i].path, b->v[j].path);

		if (order == 0 && untouched(&a->v[i], &b->v[j]))
			newest = MAX(newest, a->v[i].ctime);
		i += order <= 0;
		j += order >= 0;
	}
	newest = MIN(newest, fork_ns);
	if (newest > INT64_MIN + DOUBT_NS)
		kin.trust = newest - DOUBT_NS;
	return kin;
}

/* See same.h. */
enum same same_content(const struct change *a, const struct change *b,
		       const struct kin *kin)
{
	bool a_image = !a || change_has_image_content(a);
	bool b_image = !b || change_has_image_content(b);

	if (a == b || (a_image && b_image))
		return SAME_YES;
	/* the guest has compared both with the image */
	if (a_image != b_image)
		return SAME_NO;
	if (a->now.size != b->now.size)
		return SAME_NO;
	if (a->hashed && b->hashed)
		return memcmp(a->digest, b->digest, DIGEST_SIZE) ? SAME_NO
								 : SAME_YES;
	if (!a->now.size)
		return SAME_YES;
	if (kin->related && untouched(a, b) && a->ctime < kin->trust &&
	    !a->mapped && !b->mapped)
		return SAME_YES;
	return SAME_UNSURE;
}

/* See same.h. */
bool same_node(const struct node *a, const struct node *b)
{
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
	    a->rdev != b->rdev)
		return false;
	return !S_ISLNK(a->mode) || !strcmp(a->link, b->link);
}
