/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-items.c - files of forks merged: what there is
 *
 * Runs in the CLI, on records that change.c has checked.
 */
#include <errno.h>

#include "cli/merge.h"

static struct version version_of(const struct merge_item *it, struct side *s,
				 struct change *rec)
{
	return (struct version){ .node = rec ? rec->now : it->image,
				 .from = s,
				 .rec = rec };
}

static struct merge_item item_of(const struct merge *m, struct change *rec)
{
	return (struct merge_item){ .path = rec->path,
				    .image = change_image_node(rec),
				    .wanted = gpath_filter_match(m->filter,
								 rec->path) };
}

/* See merge.h. */
int merge_init(struct merge *m, struct err *err)
{
	struct change_list *l = &m->parent->changes;

	m->spool = (struct spool)SPOOL_INIT;
	m->items = calloc(l->n + 1, sizeof(*m->items));
	if (!m->items)
		return err_sys(err, ENOMEM, "merge");
	for (size_t i = 0; i < l->n; i++) {
		struct merge_item *it = &m->items[m->n++];

		*it = item_of(m, &l->v[i]);
		it->before = version_of(it, m->parent, &l->v[i]);
		it->now = it->before;
	}
	return spool_open(&m->spool, err);
}

void merge_free(struct merge *m)
{
	free(m->items);
	m->items = NULL;
	m->n = 0;
	spool_close(&m->spool);
	for (size_t i = 0; i < m->nr_texts; i++) {
		change_free(m->texts[i]);
		free(m->texts[i]);
	}
	free(m->texts);
	m->texts = NULL;
	m->nr_texts = 0;
}

/* See merge.h. */
struct merge_item *merge_find(const struct merge *m, const char *path,
			      size_t len)
{
	size_t from = 0, to = m->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		int order = strncmp(m->items[mid].path, path, len);

		if (order == 0 && !m->items[mid].path[len])
			return &m->items[mid];
		/* a longer one that begins with it is behind it */
		if (order < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

/* The lists of items, ancestor and child, side by side. */
struct cursor {
	struct merge_item *it, *end;
	struct change *o, *o_end, *c, *c_end;
};

static const char *least(const char *a, const char *b)
{
	return !a || (b && strcmp(b, a) < 0) ? b : a;
}

static bool at_path(const char *path, const char *next)
{
	return path && !strcmp(path, next);
}

/* The item at the next path of the three, with its versions. */
static struct merge_item step(const struct merge *m, struct cursor *c)
{
	const char *it = c->it < c->end ? c->it->path : NULL;
	const char *o = c->o < c->o_end ? c->o->path : NULL;
	const char *ch = c->c < c->c_end ? c->c->path : NULL;
	const char *next = least(least(it, o), ch);
	struct change *rec_o = at_path(o, next) ? c->o++ : NULL;
	struct change *rec_c = at_path(ch, next) ? c->c++ : NULL;
	struct merge_item item;

	if (at_path(it, next)) {
		item = *c->it++;
	} else {
		item = item_of(m, rec_o ? rec_o : rec_c);
		item.before = version_of(&item, m->parent, NULL);
		item.now = item.before;
	}
	item.ancestor = version_of(&item, m->ancestor, rec_o);
	item.child = version_of(&item, m->child, rec_c);
	item.next = item.now;
	item.lines = false;
	item.conflict = CONFLICT_NONE;
	return item;
}

/* See merge.h. */
int merge_begin(struct merge *m, struct side *child, struct side *ancestor,
		const struct kin *parent, const struct kin *with_child,
		struct err *err)
{
	struct change_list *o = &ancestor->changes, *c = &child->changes;
	struct cursor at = { m->items, m->items + m->n, o->v, o->v + o->n,
			     c->v, c->v + c->n };
	struct merge_item *items = calloc(m->n + o->n + c->n + 1,
					  sizeof(*items));
	size_t n = 0;

	if (!items)
		return err_sys(err, ENOMEM, "merge");
	m->child = child;
	m->ancestor = ancestor;
	m->kin_parent = *parent;
	m->kin_child = *with_child;
	m->no_doubt = false;
	while (at.it < at.end || at.o < at.o_end || at.c < at.c_end)
		items[n++] = step(m, &at);
	free(m->items);
	m->items = items;
	m->n = n;
	return 0;
}

/* See merge.h. */
void merge_accept(struct merge *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->items[i].now = m->items[i].next;
}
