/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-child.c - files of forks merged: one child
 *
 * Runs in the CLI.
 *
 * Theory of operation: all items are decided; for those whose records do not
 * say enough, the files in doubt are hashed, a stream for each sandbox, and they
 * are decided again.
 */
#include <errno.h>
#include <sys/stat.h>

#include "cli/merge.h"
#include "common/cleanup.h"

/* A file to be hashed, and whose it is. */
struct doubt {
	struct side *side;
	struct change *rec;
};

struct doubts {
	struct doubt *v;
	size_t n, cap;
};

static int add_doubt(struct doubts *d, const struct version *v,
		     struct err *err)
{
	if (!v->rec || v->rec->hashed || !v->from)
		return 0;
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 256;
		struct doubt *bigger = reallocarray(d->v, cap,
						    sizeof(*bigger));

		if (!bigger)
			return err_sys(err, ENOMEM, "merge");
		d->v = bigger;
		d->cap = cap;
	}
	d->v[d->n++] = (struct doubt){ v->from, v->rec };
	return 0;
}

static int add_pair(struct doubts *d, const struct merge *m,
		    const struct version *a, const struct version *b,
		    struct err *err)
{
	if (!S_ISREG(a->node.mode) || !S_ISREG(b->node.mode) ||
	    merge_same_content(m, a, b) != SAME_UNSURE)
		return 0;
	return add_doubt(d, a, err) < 0 ? -1 : add_doubt(d, b, err);
}

static int by_side(const void *a, const void *b)
{
	const struct doubt *x = a, *y = b;
	uintptr_t s = (uintptr_t)x->side, t = (uintptr_t)y->side;

	if (s != t)
		return s < t ? -1 : 1;
	return strcmp(x->rec->path, y->rec->path);
}

/* A stream for each sandbox; each file once. */
static int hash_all(struct doubts *d, struct err *err)
{
	CLEANUP_FREE struct change **v = calloc(d->n + 1, sizeof(*v));
	size_t i = 0;

	if (!v)
		return err_sys(err, ENOMEM, "merge");
	qsort(d->v, d->n, sizeof(*d->v), by_side);
	while (i < d->n) {
		struct side *side = d->v[i].side;
		size_t n = 0;

		for (; i < d->n && d->v[i].side == side; i++)
			if (!n || v[n - 1] != d->v[i].rec)
				v[n++] = d->v[i].rec;
		if (side_hash(side, v, n, err) < 0)
			return -1;
	}
	return 0;
}

/* Return: 0 with *@open, how many are not decided; -1 with @err. */
static int decide_all(struct merge *m, struct doubts *d, size_t *open,
		      struct err *err)
{
	*open = 0;
	for (size_t i = 0; i < m->n; i++) {
		struct merge_item *it = &m->items[i];

		if (merge_decide(m, it))
			continue;
		++*open;
		if (add_pair(d, m, &it->ancestor, &it->now, err) < 0 ||
		    add_pair(d, m, &it->ancestor, &it->child, err) < 0 ||
		    add_pair(d, m, &it->now, &it->child, err) < 0)
			return -1;
	}
	return 0;
}

/* See merge.h. */
ssize_t merge_child(struct merge *m, struct textdiff *tool, struct err *err)
{
	struct doubts d = { 0 };
	size_t open;
	ssize_t conflicts = 0;
	int rc = decide_all(m, &d, &open, err);

	if (rc == 0 && open) {
		rc = hash_all(&d, err);
		m->no_doubt = true;
		d.n = 0;
		if (rc == 0)
			rc = decide_all(m, &d, &open, err);
	}
	free(d.v);
	if (rc < 0)
		return -1;
	BUG_ON(open);
	merge_tree(m);
	if (merge_lines(m, tool, err) < 0)
		return -1;
	for (size_t i = 0; i < m->n; i++)
		conflicts += m->items[i].conflict != CONFLICT_NONE;
	return conflicts;
}
