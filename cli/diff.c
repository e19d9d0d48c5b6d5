/* SPDX-License-Identifier: MIT */
/*
 * cli/diff.c - how the files of one sandbox differ from those of another
 *
 * Runs in the CLI, on records that change.c has checked.
 */
#include "cli/diff.h"

#include <errno.h>
#include <sys/stat.h>

#include "common/cleanup.h"

#define PERMISSIONS 07777u

void diff_free(struct diff *d)
{
	free(d->v);
	*d = (struct diff){ 0 };
}

/* See diff.h. */
char diff_letter(const struct diff_entry *e)
{
	if (!e->a.mode)
		return 'A';
	if (!e->b.mode)
		return 'D';
	return e->what & DIFF_TYPE ? 'T' : 'M';
}

/* See diff.h. */
unsigned int diff_nodes(const struct node *a, const struct node *b)
{
	unsigned int what = 0;

	if (!a->mode || !b->mode)
		return 0;
	if ((a->mode ^ b->mode) & S_IFMT)
		what |= DIFF_TYPE;
	if (a->uid != b->uid || a->gid != b->gid)
		what |= DIFF_OWNER;
	/* a link has no mode of its own */
	if ((a->mode ^ b->mode) & PERMISSIONS && !S_ISLNK(a->mode) &&
	    !S_ISLNK(b->mode))
		what |= DIFF_MODE;
	if (what & DIFF_TYPE)
		return what;
	if (S_ISLNK(a->mode) && strcmp(a->link, b->link) != 0)
		what |= DIFF_LINK;
	if (a->rdev != b->rdev)
		what |= DIFF_DEVICE;
	return what;
}

/* See diff.h. */
int diff_add(struct diff *d, const struct diff_entry *e, struct err *err)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 256;
		struct diff_entry *v = reallocarray(d->v, cap, sizeof(*v));

		if (!v)
			return err_sys(err, ENOMEM, "diff");
		d->v = v;
		d->cap = cap;
	}
	d->v[d->n++] = *e;
	return 0;
}

/* One path; what is the same is left out. */
static int add_if_differs(struct diff *d, struct diff_entry *e,
			  const struct kin *kin, struct err *err)
{
	enum same same = SAME_YES;

	if (!e->a.mode && !e->b.mode)
		return 0;
	e->what = diff_nodes(&e->a, &e->b);
	if (S_ISREG(e->a.mode) && S_ISREG(e->b.mode))
		same = same_content(e->ca, e->cb, kin);
	if (same == SAME_NO)
		e->what |= DIFF_CONTENT;
	e->unsure = same == SAME_UNSURE;
	if (e->a.mode && e->b.mode && !e->what && !e->unsure)
		return 0;
	return diff_add(d, e, err);
}

/* The side that has no record of the path. */
static struct node other(const struct change *c, bool all)
{
	return all ? (struct node){ 0 } : change_image_node(c);
}

/* See diff.h. */
int diff_sides(struct diff *d, const struct side *a, const struct side *b,
	       const struct kin *kin, struct err *err)
{
	const struct change_list *la = &a->changes, *lb = &b->changes;

	for (size_t i = 0, j = 0; i < la->n || j < lb->n;) {
		struct change *ca = i < la->n ? &la->v[i] : NULL;
		struct change *cb = j < lb->n ? &lb->v[j] : NULL;
		int order = !ca ? 1 : !cb ? -1 : strcmp(ca->path, cb->path);
		struct diff_entry e = { 0 };

		if (order <= 0) {
			e.path = ca->path;
			e.ca = ca;
			i++;
		}
		if (order >= 0) {
			e.path = cb->path;
			e.cb = cb;
			j++;
		}
		e.a = e.ca ? e.ca->now : other(e.cb, b->all);
		e.b = e.cb ? e.cb->now : other(e.ca, a->all);
		if (add_if_differs(d, &e, kin, err) < 0)
			return -1;
	}
	return 0;
}

/* See diff.h. */
int diff_image(struct diff *d, const struct side *b, struct err *err)
{
	const struct side image = { 0 };
	const struct kin none = { 0 };

	return diff_sides(d, &image, b, &none, err);
}

/* See diff.h. */
int diff_settle(struct diff *d, struct side *a, struct side *b,
		const struct kin *kin, struct err *err)
{
	CLEANUP_FREE struct change **va = calloc(d->n + 1, sizeof(*va));
	CLEANUP_FREE struct change **vb = calloc(d->n + 1, sizeof(*vb));
	size_t unsure = 0, n = 0;

	if (!va || !vb)
		return err_sys(err, ENOMEM, "diff");
	for (size_t i = 0; i < d->n; i++) {
		if (!d->v[i].unsure)
			continue;
		va[unsure] = d->v[i].ca;
		vb[unsure++] = d->v[i].cb;
	}
	if (!unsure)
		return 0;
	if (side_hash(a, va, unsure, err) < 0 ||
	    side_hash(b, vb, unsure, err) < 0)
		return -1;
	for (size_t i = 0; i < d->n; i++) {
		struct diff_entry e = d->v[i];

		/* what could not be hashed has just changed or gone */
		if (e.unsure && same_content(e.ca, e.cb, kin) != SAME_YES)
			e.what |= DIFF_CONTENT;
		e.unsure = false;
		if (e.what || !e.a.mode || !e.b.mode)
			d->v[n++] = e;
	}
	d->n = n;
	return 0;
}
