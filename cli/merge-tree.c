/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-tree.c - files of forks merged: what is there is in a folder
 *
 * Runs in the CLI.
 *
 * Theory of operation: paths are decided each by itself, as if there were no
 * folders, which is what git does too.  Then, from the last path to the first, so
 * that each folder comes behind all that is in it: a folder that one side
 * removed comes back when something is left in it; where something else stands
 * in its place, that is a conflict, or all below it is as the favoured side has
 * it.
 */
#include <sys/stat.h>

#include "cli/merge.h"

/* As one side has it that has a folder there. */
static void revive(struct merge_item *up)
{
	if (S_ISDIR(up->now.node.mode))
		up->next = up->now;
	else if (S_ISDIR(up->child.node.mode))
		up->next = up->child;
	else
		up->next = up->ancestor;
	if (up->conflict == CONFLICT_DELETED_BY_PARENT ||
	    up->conflict == CONFLICT_DELETED_BY_CHILD)
		up->conflict = CONFLICT_NONE;
}

static void take_side(struct merge *m, struct merge_item *top)
{
	for (struct merge_item *it = top; it < m->items + m->n; it++) {
		if (!gpath_below(it->path, top->path)) {
			/* names that it begins lie between */
			if (strncmp(it->path, top->path, strlen(top->path)))
				break;
			continue;
		}
		it->next = m->favor == TEXTDIFF_THEIRS ? it->child : it->now;
		it->lines = false;
	}
}

/* See merge.h. */
void merge_tree(struct merge *m)
{
	for (size_t i = m->n; i-- > 0;) {
		struct merge_item *it = &m->items[i];
		size_t len = gpath_parent_len(it->path);
		struct merge_item *up;

		if (!it->next.node.mode || !len)
			continue;
		up = merge_find(m, it->path, len);
		if (!up || S_ISDIR(up->next.node.mode))
			continue;
		if (!up->next.node.mode)
			revive(up);
		else if (m->favor != TEXTDIFF_CONFLICTS)
			take_side(m, up);
		else if (!up->conflict)
			up->conflict = CONFLICT_FOLDER;
	}
}
