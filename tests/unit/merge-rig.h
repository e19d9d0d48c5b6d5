/* SPDX-License-Identifier: MIT */
/* tests/unit/merge-rig.h - small trees of files, and a merge of them */
#ifndef PODFLARE_TESTS_MERGE_RIG_H
#define PODFLARE_TESTS_MERGE_RIG_H

#include "cli/merge.h"

#define RIG_PATHS 7

/* A path's state: nothing, or 'f'ile, 'l'ink, 'd'ir. */
struct state {
	char type;	/* 0: nothing */
	char content;	/* of a file or link */
	char mode;	/* of a file or dir: which of two */
};

struct tree {
	struct state v[RIG_PATHS];	/* of rig_paths */
};

extern const char *const rig_paths[RIG_PATHS];

bool state_equal(struct state a, struct state b);
/* Whether what is there is in folders. */
bool tree_valid(const struct tree *t);

struct merge_rig {
	struct side parent, child, ancestor;
	struct gpath_filter filter;
	struct merge merge;
};

/* All but merging lines. */
void rig_merge(struct merge_rig *r, const struct tree *image,
	       const struct tree *o, const struct tree *p,
	       const struct tree *c, enum textdiff_favor favor);
void rig_free(struct merge_rig *r);
/* What the merge makes of the path. Return: false when it is a conflict, or to
 * be merged line by line. */
bool rig_result(const struct merge_rig *r, const struct tree *image, int path,
		struct state *s);

#endif
