/* SPDX-License-Identifier: MIT */
/*
 * cli/diff-stat.c - a diff as a histogram
 *
 * Runs in the CLI.  Columns and scale are those of `git diff --stat`.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/diff-text.h"
#include "cli/term.h"
#include "cli/text.h"
#include "common/cleanup.h"

#define WIDTH 80	/* when there is no terminal */
#define GRAPH_MIN 6

struct line {
	char *name;
	bool binary;
	uint64_t added, removed;	/* lines; of binary files: bytes */
};

struct stat_list {
	struct line *v;
	size_t n;
};

static int count(struct diff_texts *t, const struct diff_entry *e,
		 const struct diff_content *a, const struct diff_content *b,
		 struct line *l, struct err *err)
{
	struct textdiff_reply r;

	/* mode or owner only */
	if (a->there && b->there &&
	    !(e->what & (DIFF_CONTENT | DIFF_LINK | DIFF_TYPE)))
		return 0;
	if (!a->there && !b->there)
		return 0;
	if (diff_texts_compare(t, a, b, 0, &r, err) < 0)
		return -1;
	free(r.data);
	l->binary = r.result != TEXTDIFF_OK;
	l->added = l->binary ? b->size : r.added;
	l->removed = l->binary ? a->size : r.removed;
	return 0;
}

static int add_entry(struct diff_texts *t, const struct diff_entry *e,
		     const struct diff_content *a, const struct diff_content *b,
		     struct err *err)
{
	struct stat_list *list = t->user;
	struct line *l = &list->v[list->n];
	char name[4 * GPATH_MAX + 3];

	if (diff_entry_implied(t->diff, e))
		return 0;
	l->name = strdup(gpath_text(e->path, name, sizeof(name)));
	if (!l->name)
		return err_sys(err, ENOMEM, "diff");
	list->n++;
	return count(t, e, a, b, l, err);
}

static int digits(uint64_t v)
{
	return snprintf(NULL, 0, "%" PRIu64, v);
}

/* How much of the graph's width a number gets: at least one if it is any. */
static uint64_t scale(uint64_t v, uint64_t width, uint64_t max)
{
	return v ? 1 + v * (width - 1) / max : 0;
}

/* The end of a name that is too wide, from a "/" on if there is one. */
static void put_name(const char *name, size_t width)
{
	size_t have = text_width(name);

	if (have > width) {
		const char *p = name, *slash;

		for (size_t drop = have - (width - 3); drop; p++)
			drop -= ((unsigned char)p[1] & 0xc0) != 0x80;
		slash = strchr(p, '/');
		name = slash ? slash : p;
		printf("...%s", name);
		have = text_width(name) + 3;
	} else {
		fputs(name, stdout);
	}
	printf("%*s", (int)(width - have), "");
}

static void repeat(char c, uint64_t n)
{
	while (n--)
		putchar(c);
}

struct columns {
	size_t name, number, graph;
	uint64_t max;	/* lines of the longest bar */
};

static struct columns measure(const struct stat_list *list)
{
	struct columns c = { 0 };
	size_t width = term_columns(STDOUT_FILENO);
	bool binary = false;

	if (width < 40)
		width = width ? 40 : WIDTH;
	for (size_t i = 0; i < list->n; i++) {
		const struct line *l = &list->v[i];

		c.name = MAX(c.name, text_width(l->name));
		binary |= l->binary;
		if (!l->binary)
			c.max = MAX(c.max, l->added + l->removed);
	}
	c.number = MAX((size_t)digits(c.max), binary ? (size_t)3 : 0);
	c.graph = (size_t)MIN(c.max, (uint64_t)width);
	/* " NAME | NUMBER GRAPH" */
	if (c.name + c.number + 6 + c.graph > width) {
		size_t room = width - c.number - 6;
		size_t least = MIN(c.graph, MAX(room * 3 / 8,
						(size_t)GRAPH_MIN));

		c.graph = room > c.name + least ? MIN(c.graph, room - c.name)
						: least;
		c.name = MIN(c.name, room - c.graph);
	}
	return c;
}

static void put_line(const struct line *l, const struct columns *c)
{
	uint64_t plus = l->added, minus = l->removed, total = plus + minus;

	putchar(' ');
	put_name(l->name, c->name);
	if (l->binary) {
		printf(" | %*s %" PRIu64 " -> %" PRIu64 " bytes\n",
		       (int)c->number, "Bin", l->removed, l->added);
		return;
	}
	printf(" | %*" PRIu64, (int)c->number, total);
	if (c->graph < c->max && total) {
		uint64_t all = scale(total, c->graph, c->max);

		if (all < 2 && plus && minus)
			all = 2;
		if (plus < minus) {
			plus = scale(plus, c->graph, c->max);
			minus = all - plus;
		} else {
			minus = scale(minus, c->graph, c->max);
			plus = all - minus;
		}
	}
	if (total)
		putchar(' ');
	repeat('+', plus);
	repeat('-', minus);
	putchar('\n');
}

static void put_summary(const struct stat_list *list)
{
	uint64_t added = 0, removed = 0;

	for (size_t i = 0; i < list->n; i++) {
		added += list->v[i].binary ? 0 : list->v[i].added;
		removed += list->v[i].binary ? 0 : list->v[i].removed;
	}
	printf(" %zu file%s changed", list->n, list->n == 1 ? "" : "s");
	if (added || !removed)
		printf(", %" PRIu64 " insertion%s(+)", added,
		       added == 1 ? "" : "s");
	if (removed || !added)
		printf(", %" PRIu64 " deletion%s(-)", removed,
		       removed == 1 ? "" : "s");
	putchar('\n');
}

/* See diff-text.h. */
int diff_print_stat(const struct diff *d, struct side *a, struct side *b,
		    struct textdiff *tool, struct err *err)
{
	struct stat_list list = { .v = calloc(d->n + 1, sizeof(*list.v)) };
	struct diff_texts t = { .diff = d,
				.a = a,
				.b = b,
				.tool = tool,
				.entry = add_entry,
				.user = &list };
	struct columns c;
	int rc;

	if (!list.v)
		return err_sys(err, ENOMEM, "diff");
	rc = diff_texts_run(&t, err);
	if (rc == 0 && list.n) {
		c = measure(&list);
		for (size_t i = 0; i < list.n; i++)
			put_line(&list.v[i], &c);
		put_summary(&list);
	}
	for (size_t i = 0; i < list.n; i++)
		free(list.v[i].name);
	free(list.v);
	return rc;
}
