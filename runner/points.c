/* SPDX-License-Identifier: MIT */
/*
 * runner/points.c - the tree of forks
 *
 * podflared, loop thread.
 *
 * Theory of operation: a sweep counts for each point how many sandboxes and
 * later points have it as their `head`, and whether a sandbox was made there.
 * One that nobody refers to goes; one that is passed by a single way, and where
 * nobody was made, is taken out of that way: the one behind it gets its `head`,
 * which is saved before the point's folder is removed.
 */
#include "runner/points.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "runner/life.h"
#include "runner/store.h"

#define DEPTH_MAX (4 * RUNNER_SANDBOXES_MAX)	/* a bound for damaged files */

struct count {
	struct sandbox *point;
	struct sandbox *from;	/* one that refers to it */
	unsigned int refs;
	bool origin;
};

struct sweep {
	struct runner *runner;
	struct count *counts;
	size_t n;
};

static struct sandbox *before(const struct sandbox *sb)
{
	struct sandbox *p;

	if (!sb->head[0])
		return NULL;
	p = sandbox_hidden(sb->runner, SB_POINT, sb->head);
	if (p)
		return p;
	TAILQ_FOREACH(p, &sb->runner->snapshots, link)
		if (strcmp(p->id, sb->head) == 0)
			return p;
	return NULL;
}

static void set_head(struct sandbox *sb, const char *head)
{
	snprintf(sb->head, sizeof(sb->head), "%s", head);
	if (sb->state != SB_REMOVING)
		store_save(sb, NULL, NULL);
}

void points_pass_snapshot(struct sandbox *sb, const struct sandbox *s)
{
	for (unsigned int i = 0; sb && i < DEPTH_MAX; i++) {
		if (strcmp(sb->head, s->head) == 0) {
			set_head(sb, s->id);
			return;
		}
		sb = before(sb);
	}
}

static void forget_in(struct sandbox_list *list, const struct sandbox *s)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, list, link)
		if (strcmp(sb->head, s->id) == 0)
			set_head(sb, s->head);
}

void points_forget_snapshot(struct sandbox *s)
{
	forget_in(&s->runner->sandboxes, s);
	forget_in(&s->runner->hidden, s);
	forget_in(&s->runner->snapshots, s);
}

struct sandbox *points_common(const struct sandbox *a, const struct sandbox *b)
{
	struct sandbox *p, *q;
	unsigned int i, j;

	for (p = before(a), i = 0; p && i < DEPTH_MAX; p = before(p), i++)
		for (q = before(b), j = 0; q && j < DEPTH_MAX;
		     q = before(q), j++)
			if (p == q)
				return p;
	return NULL;
}

bool points_descends(const struct sandbox *sb, const char *id)
{
	const struct sandbox *p;
	unsigned int i;

	if (strcmp(sb->id, id) == 0)
		return false;
	for (p = before(sb), i = 0; p && i < DEPTH_MAX; p = before(p), i++)
		if (strcmp(p->origin.parent, id) == 0)
			return true;
	return false;
}

static int by_id(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	return strcmp(x->point->id, y->point->id);
}

static struct count *find(struct sweep *s, const char *id)
{
	size_t low = 0, high = s->n, mid;
	int c;

	while (low < high) {
		mid = (low + high) / 2;
		c = strcmp(id, s->counts[mid].point->id);
		if (c == 0)
			return &s->counts[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* A reference, from @sb. */
static void count_head(struct sweep *s, struct sandbox *sb)
{
	struct count *c = sb->head[0] ? find(s, sb->head) : NULL;

	if (c) {
		c->refs++;
		c->from = sb;
	}
}

static int collect(struct sweep *s)
{
	struct sandbox *sb;
	struct count *c;

	s->n = 0;
	TAILQ_FOREACH(sb, &s->runner->hidden, link)
		s->n += sb->kind == SB_POINT && sb->state != SB_REMOVING;
	s->counts = calloc(s->n + 1, sizeof(*s->counts));
	if (!s->counts)
		return -1;
	s->n = 0;
	TAILQ_FOREACH(sb, &s->runner->hidden, link)
		if (sb->kind == SB_POINT && sb->state != SB_REMOVING)
			s->counts[s->n++].point = sb;
	qsort(s->counts, s->n, sizeof(*s->counts), by_id);
	for (size_t i = 0; i < s->n; i++)
		count_head(s, s->counts[i].point);
	TAILQ_FOREACH(sb, &s->runner->sandboxes, link) {
		if (sb->state == SB_REMOVING)
			continue;
		count_head(s, sb);
		c = sb->origin.forked ? find(s, sb->origin.point) : NULL;
		if (c)
			c->origin = true;
	}
	TAILQ_FOREACH(sb, &s->runner->snapshots, link)
		if (sb->state != SB_REMOVING)
			count_head(s, sb);
	return 0;
}

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

/* Return: how many points went. */
static unsigned int sweep_once(struct runner *r)
{
	struct sweep s = { .runner = r };
	unsigned int gone = 0;

	if (collect(&s) < 0)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		struct count *c = &s.counts[i];

		/* one that is being made has no children yet */
		if (c->point->slot || c->origin || c->refs > 1)
			continue;
		/* what refers to it may have gone in this sweep */
		if (c->from && c->from->state == SB_REMOVING)
			continue;
		if (c->from) {
			set_head(c->from, c->point->head);
		}
		life_remove(c->point, false, removed, NULL);
		gone++;
	}
	free(s.counts);
	return gone;
}

void points_sweep(struct runner *r)
{
	while (sweep_once(r))
		;
}
