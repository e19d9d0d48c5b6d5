/* SPDX-License-Identifier: MIT */
/*
 * cli/merge.h - files of forks merged into their parent
 *
 * Theory of operation: every path that differs from the image in the parent, in
 * a child, or in what both came from is an item.  One child after the other is
 * merged into the items, by path, attribute by attribute, against that child's
 * ancestor; nothing is written meanwhile.  What the items are in the end and were
 * not in the parent is the plan.
 */
#ifndef PODFLARE_CLI_MERGE_H
#define PODFLARE_CLI_MERGE_H

#include "cli/diff.h"
#include "cli/same.h"
#include "cli/spool.h"
#include "cli/textdiff.h"

/* What a path is, and whose file of that path has the content. */
struct version {
	struct node node;	/* texts are a record's */
	struct side *from;
	struct change *rec;	/* from's record, or one of a merged text;
				 * NULL: as in the image */
	struct blob text;	/* have: merged here */
};

enum merge_conflict {
	CONFLICT_NONE,
	CONFLICT_CONTENT,
	CONFLICT_BINARY,	/* contents that are no text, or large */
	CONFLICT_ADD_ADD,
	CONFLICT_DELETED_BY_PARENT,
	CONFLICT_DELETED_BY_CHILD,
	CONFLICT_TYPE,
	CONFLICT_LINK,
	CONFLICT_DEVICE,
	CONFLICT_MODE,
	CONFLICT_OWNER,
	CONFLICT_FOLDER,	/* a file where others need a folder */
};

struct merge_item {
	const char *path;	/* of a record */
	struct node image;	/* as the image has it */
	bool wanted;		/* the user's paths match */
	struct version before;	/* the parent's */
	struct version now;	/* after the children so far */
	/* of the child that is being merged */
	struct version ancestor, child, next;
	bool lines;		/* next's content is to be merged */
	enum merge_conflict conflict;
};

struct merge {
	struct side *parent;
	enum textdiff_favor favor;
	const struct gpath_filter *filter;
	struct merge_item *items;	/* by path */
	size_t n;
	struct spool spool;		/* merged texts */
	struct change **texts;		/* their records */
	size_t nr_texts;
	/* of the child that is being merged */
	struct side *child, *ancestor;
	struct kin kin_parent, kin_child;	/* each with the ancestor */
	bool no_doubt;		/* what could not be hashed is not the same */
};

/* merge-items.c: the parent's own items; @m zeroed but for its first members.
 * Return: 0, or -1 with @err. */
int merge_init(struct merge *m, struct err *err);
void merge_free(struct merge *m);
/* Begin with a child: items for what is new, versions of all.
 * @param ancestor its list is empty when that is the image
 * Return: 0, or -1 with @err. */
int merge_begin(struct merge *m, struct side *child, struct side *ancestor,
		const struct kin *parent, const struct kin *with_child,
		struct err *err);
/* Return: NULL when there is none. */
struct merge_item *merge_find(const struct merge *m, const char *path,
			      size_t len);

/* merge-three.c: contents of two versions. */
enum same merge_same_content(const struct merge *m, const struct version *a,
			     const struct version *b);
/* Whether they are the same in all. */
enum same merge_same(const struct merge *m, const struct version *a,
		     const struct version *b);
/*
 * Decide an item: next, lines, conflict (also when it was settled by the
 * favoured side: then it is none).
 * Return: whether it is decided; false: hashes are missing.
 */
bool merge_decide(const struct merge *m, struct merge_item *it);

/* merge-lines.c: fetch contents and merge line by line what is marked.
 * Return: 0, or -1 with @err. */
int merge_lines(struct merge *m, struct textdiff *tool, struct err *err);
/* merge-tree.c: what is there is in a folder. */
void merge_tree(struct merge *m);
/* merge-child.c: all of it for one child. Return: how many conflicts, -1 with
 * @err. */
ssize_t merge_child(struct merge *m, struct textdiff *tool, struct err *err);
/* The child is merged: next becomes now. */
void merge_accept(struct merge *m);

/* merge-report.c: what the plan changes in the parent; entries are by path.
 * Return: 0, or -1 with @err. */
int merge_plan(const struct merge *m, struct diff *plan, struct err *err);
void merge_print_conflicts(const struct merge *m);
json_t *merge_conflicts_json(const struct merge *m);

/* merge-apply.c: do it, all or nothing. Return: 0, or -1 with @err. */
int merge_apply(struct merge *m, const struct diff *plan, struct err *err);

#endif
