/* SPDX-License-Identifier: MIT */
/*
 * cli/same.h - whether a file is the same in two sandboxes
 *
 * Theory of operation: lists tell what differs from the image, so a path that is
 * in one list only is as in the image on the other side, and what the record says
 * of the image decides.  For a path in both lists, sandboxes that come from one
 * fork share inodes: same inode, change time, size, mode, owner and modification
 * time mean that neither side has touched it since.  A change time is as coarse
 * as the kernel's tick, so one that may lie in the tick of the fork proves
 * nothing: two seconds before the newest change time that both sides share (none
 * of those is later than the fork), or before the fork in the host's time,
 * whichever is the earlier.  Nor does a file prove anything that a process has
 * mapped to write to.  All other files of equal size are hashed.
 */
#ifndef PODFLARE_CLI_SAME_H
#define PODFLARE_CLI_SAME_H

#include "cli/change.h"

/* What two sandboxes have in common. */
struct kin {
	bool related;		/* they come from one fork */
	int64_t trust;		/* ns; change times before this prove */
};

/* Return: how the two lists are related. @fork_ns the fork's time, 0: they have
 * no fork in common. */
struct kin kin_of(const struct change_list *a, const struct change_list *b,
		  int64_t fork_ns);

enum same {
	SAME_NO,
	SAME_YES,
	SAME_UNSURE,	/* hash both */
};

/* Content of two regular files; NULL: as in the image. */
enum same same_content(const struct change *a, const struct change *b,
		       const struct kin *kin);
/* Type, mode, owner, link target and device; not the content of files. */
bool same_node(const struct node *a, const struct node *b);

#endif
