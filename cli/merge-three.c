/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-three.c - files of forks merged: one path, three ways
 *
 * Runs in the CLI.  Looks at records only; what they do not decide is hashed by
 * the caller, or merged line by line later.
 *
 * Theory of operation: what only one side has changed since the ancestor is
 * taken, all of it.  Where both have, type and presence must agree; then content,
 * mode and owner are merged each by itself.
 */
#include <sys/stat.h>

#include "cli/merge.h"

#define PERMISSIONS 07777u

/* See merge.h. */
enum same merge_same_content(const struct merge *m, const struct version *a,
			     const struct version *b)
{
	static const struct kin none;
	const struct kin *kin = &none;
	enum same same;

	if (b->from == m->ancestor) {
		const struct version *swap = a;

		a = b;
		b = swap;
	}
	if (a->from == m->ancestor && b->from == m->parent)
		kin = &m->kin_parent;
	else if (a->from == m->ancestor && b->from == m->child)
		kin = &m->kin_child;
	same = same_content(a->rec, b->rec, kin);
	return same == SAME_UNSURE && m->no_doubt ? SAME_NO : same;
}

/* See merge.h. */
enum same merge_same(const struct merge *m, const struct version *a,
		     const struct version *b)
{
	if (!same_node(&a->node, &b->node))
		return SAME_NO;
	if (!S_ISREG(a->node.mode))
		return SAME_YES;
	return merge_same_content(m, a, b);
}

/* Take the content of @v; mode and owner stay. */
static void take_content(struct version *to, const struct version *v)
{
	struct node n = to->node;

	*to = *v;
	to->node.mode = n.mode;
	to->node.uid = n.uid;
	to->node.gid = n.gid;
}

/* Note a conflict, unless a side is favoured. Return: whether to take the
 * child's. */
static bool conflict(const struct merge *m, struct merge_item *it,
		     enum merge_conflict kind)
{
	if (m->favor == TEXTDIFF_CONFLICTS && !it->conflict)
		it->conflict = kind;
	return m->favor == TEXTDIFF_THEIRS;
}

/* One attribute that differs between both sides. Return: whether to take the
 * child's. */
static bool pick(const struct merge *m, struct merge_item *it, bool o_is_p,
		 bool o_is_c, enum merge_conflict kind)
{
	if (o_is_p)
		return true;
	if (o_is_c)
		return false;
	return conflict(m, it, kind);
}

static void merge_mode(const struct merge *m, struct merge_item *it, bool has_o)
{
	uint32_t o = it->ancestor.node.mode & PERMISSIONS;
	uint32_t p = it->now.node.mode & PERMISSIONS;
	uint32_t c = it->child.node.mode & PERMISSIONS;

	if (p != c && pick(m, it, has_o && o == p, has_o && o == c,
			   has_o ? CONFLICT_MODE : CONFLICT_ADD_ADD))
		it->next.node.mode = it->child.node.mode;
}

static bool same_owner(const struct node *a, const struct node *b)
{
	return a->uid == b->uid && a->gid == b->gid;
}

static void merge_owner(const struct merge *m, struct merge_item *it,
			bool has_o)
{
	const struct node *o = &it->ancestor.node, *p = &it->now.node;
	const struct node *c = &it->child.node;

	if (!same_owner(p, c) &&
	    pick(m, it, has_o && same_owner(o, p), has_o && same_owner(o, c),
		 has_o ? CONFLICT_OWNER : CONFLICT_ADD_ADD)) {
		it->next.node.uid = c->uid;
		it->next.node.gid = c->gid;
	}
}

/* Links and devices. */
static void merge_special(const struct merge *m, struct merge_item *it,
			  bool has_o)
{
	const struct node *o = &it->ancestor.node, *p = &it->now.node;
	const struct node *c = &it->child.node;
	bool link = S_ISLNK(p->mode), o_is_p, o_is_c;

	if (link ? !strcmp(p->link, c->link) : p->rdev == c->rdev)
		return;
	o_is_p = has_o && (link ? !strcmp(o->link, p->link)
				: o->rdev == p->rdev);
	o_is_c = has_o && (link ? !strcmp(o->link, c->link)
				: o->rdev == c->rdev);
	if (pick(m, it, o_is_p, o_is_c, !has_o ? CONFLICT_ADD_ADD :
		 link ? CONFLICT_LINK : CONFLICT_DEVICE))
		take_content(&it->next, &it->child);
}

/* Return: false when hashes are missing. */
static bool merge_content(const struct merge *m, struct merge_item *it,
			  bool has_o)
{
	enum same pc = merge_same_content(m, &it->now, &it->child);
	enum same op = has_o ? merge_same_content(m, &it->ancestor, &it->now)
			     : SAME_NO;
	enum same oc = has_o ? merge_same_content(m, &it->ancestor, &it->child)
			     : SAME_NO;

	if (pc == SAME_YES || oc == SAME_YES)
		return true;
	if (op == SAME_YES) {
		take_content(&it->next, &it->child);
		return true;
	}
	if (pc == SAME_UNSURE || op == SAME_UNSURE || oc == SAME_UNSURE)
		return false;
	it->lines = true;
	return true;
}

/* Both have changed what is there on both, of one type. */
static bool merge_attributes(const struct merge *m, struct merge_item *it)
{
	uint32_t mode = it->now.node.mode;
	bool has_o = !((it->ancestor.node.mode ^ mode) & S_IFMT);

	if (S_ISREG(mode) && !merge_content(m, it, has_o))
		return false;
	if (S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode))
		merge_special(m, it, has_o);
	if (!S_ISLNK(mode))
		merge_mode(m, it, has_o);
	merge_owner(m, it, has_o);
	return true;
}

/* Only the child has changed it. */
static bool take_child(const struct merge *m, struct merge_item *it)
{
	enum same same = SAME_NO;

	if (S_ISREG(it->now.node.mode) && S_ISREG(it->child.node.mode))
		same = merge_same_content(m, &it->ancestor, &it->child);
	if (same == SAME_UNSURE)
		return false;
	it->next = it->child;
	if (same == SAME_YES) {
		/* a change of mode or owner needs no content */
		it->next = it->now;
		it->next.node.mode = it->child.node.mode;
		it->next.node.uid = it->child.node.uid;
		it->next.node.gid = it->child.node.gid;
	}
	return true;
}

/* One of them has it not, or as another type. */
static void choose(const struct merge *m, struct merge_item *it,
		   enum merge_conflict kind)
{
	if (conflict(m, it, kind))
		it->next = it->child;
}

/* See merge.h. */
bool merge_decide(const struct merge *m, struct merge_item *it)
{
	const struct node *p = &it->now.node, *c = &it->child.node;
	enum same op, oc, pc;

	it->next = it->now;
	it->lines = false;
	it->conflict = CONFLICT_NONE;
	if (!it->wanted)
		return true;
	oc = merge_same(m, &it->ancestor, &it->child);
	if (oc == SAME_YES)
		return true;
	op = merge_same(m, &it->ancestor, &it->now);
	if (op == SAME_YES)
		return oc == SAME_NO && take_child(m, it);
	pc = merge_same(m, &it->now, &it->child);
	if (pc == SAME_YES)
		return true;
	if (oc == SAME_UNSURE || op == SAME_UNSURE || pc == SAME_UNSURE)
		return false;
	if (!p->mode)
		choose(m, it, CONFLICT_DELETED_BY_PARENT);
	else if (!c->mode)
		choose(m, it, CONFLICT_DELETED_BY_CHILD);
	else if ((p->mode ^ c->mode) & S_IFMT)
		choose(m, it, CONFLICT_TYPE);
	else
		return merge_attributes(m, it);
	return true;
}
