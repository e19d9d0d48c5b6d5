/* SPDX-License-Identifier: MIT */
/*
 * cli/log-graph.c - lines beside the events of a log
 *
 * Runs in the CLI.  An event lies on the lane of its sandbox; below a fork that
 * lane bends into the parent's, below a merge the lane of what was merged begins:
 *
 *	*    merge  b into a
 *	|\
 *	| *  fork   b from a
 *	|/
 *	*    create a
 *
 * Of merged files the sandbox that they came from may live on: the line comes to
 * a lane that is there.
 */
#include "cli/log-graph.h"

#include "cli/output.h"

#define NONE ((size_t)-1)
#define LANES_MAX 2048	/* more are not drawn: there are no more sandboxes */

void log_graph_free(struct log_graph *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->lanes[i]);
	free(g->lanes);
}

static size_t find_lane(const struct log_graph *g, const char *id)
{
	for (size_t i = g->n; i-- > 0;)
		if (g->lanes[i] && strcmp(g->lanes[i], id) == 0)
			return i;
	return NONE;
}

/* The sandbox's lane, which begins here if it has none. */
static size_t lane_of(struct log_graph *g, const char *id)
{
	size_t spare = g->n, at = find_lane(g, id);
	char **lanes;

	if (at != NONE)
		return at;
	for (size_t i = g->n; i-- > 0;)
		if (!g->lanes[i])
			spare = i;
	if (spare == LANES_MAX)
		return NONE;
	if (spare == g->n) {
		lanes = realloc(g->lanes, (g->n + 1) * sizeof(*lanes));
		if (!lanes)
			return NONE;
		g->lanes = lanes;
		g->lanes[g->n++] = NULL;
	}
	g->lanes[spare] = strdup(id);
	return g->lanes[spare] ? spare : NONE;
}

static void end_lane(struct log_graph *g, size_t lane)
{
	free(g->lanes[lane]);
	g->lanes[lane] = NULL;
	while (g->n && !g->lanes[g->n - 1])
		g->n--;
}

static bool is_merge(const json_t *event)
{
	return strcmp(json_text(event, "what"), "merge") == 0 ||
	       strcmp(json_text(event, "what"), "merge-files") == 0;
}

static bool is_fork(const json_t *event)
{
	return strcmp(json_text(event, "what"), "fork") == 0;
}

/* The sandbox on whose lane the event lies. */
static const char *owner(const json_t *event)
{
	return json_text(event, is_merge(event) ? "parent" : "sandbox");
}

int log_graph_before(struct log_graph *g, const json_t *event, FILE *f)
{
	size_t own, parent = 0;
	const char *what = json_text(event, "what");

	/* a parent's lane stands to the left of its copies' where it can */
	if (is_fork(event))
		parent = lane_of(g, json_text(event, "parent"));
	own = lane_of(g, owner(event));
	if (own == NONE || parent == NONE)
		return -1;
	for (size_t i = 0; i < g->n; i++)
		fprintf(f, "%c ", i == own ? (strcmp(what, "rm") ? '*' : 'x') :
			g->lanes[i] ? '|' : ' ');
	fputc(' ', f);
	return 0;
}

/* A line between two lanes: what leaves one comes to the other. */
struct bend {
	size_t from, to;
	size_t corner;	/* the column of the slanted stroke, beside one of them */
	bool begins;	/* the other lane does so in the next line */
};

static char bend_char(const struct log_graph *g, const struct bend *b, size_t at)
{
	size_t left = 2 * (b->from < b->to ? b->from : b->to);
	size_t right = 2 * (b->from < b->to ? b->to : b->from);

	if (at == b->corner)
		return b->from < b->to ? '\\' : '/';
	if (b->begins && at == 2 * b->to)
		return ' ';
	if (at % 2 == 0 && at / 2 < g->n && g->lanes[at / 2])
		return '|';
	return at > left && at < right && (b->corner == left + 1
					   ? at > b->corner : at < b->corner)
		? '_' : ' ';
}

static void draw_bend(const struct log_graph *g, const struct bend *b, FILE *f)
{
	size_t width = 2 * g->n;

	while (width > b->corner + 1 && bend_char(g, b, width - 1) == ' ')
		width--;
	for (size_t i = 0; i < width || i <= b->corner; i++)
		fputc(bend_char(g, b, i), f);
	fputc('\n', f);
}

/* The copy's lane ends in its parent's. */
static void draw_fork(struct log_graph *g, size_t own, size_t parent, FILE *f)
{
	struct bend b = { .from = own, .to = parent };

	free(g->lanes[own]);
	g->lanes[own] = NULL;
	b.corner = own > parent ? 2 * own - 1 : 2 * own + 1;
	draw_bend(g, &b, f);
	while (g->n && !g->lanes[g->n - 1])
		g->n--;
}

/* The lane of what was merged begins at its parent's, or @begins not. */
static void draw_merge(struct log_graph *g, size_t own, size_t child,
		       bool begins, FILE *f)
{
	struct bend b = { .from = own, .to = child, .begins = begins };

	b.corner = child > own ? 2 * child - 1 : 2 * child + 1;
	draw_bend(g, &b, f);
}

void log_graph_after(struct log_graph *g, const json_t *event, FILE *f)
{
	size_t own = lane_of(g, owner(event)), other;
	const char *what = json_text(event, "what");
	const char *sandbox = json_text(event, "sandbox");
	bool begins;

	if (own == NONE)
		return;
	if (is_fork(event)) {
		other = lane_of(g, json_text(event, "parent"));
		if (other != NONE)
			draw_fork(g, own, other, f);
	} else if (is_merge(event)) {
		begins = find_lane(g, sandbox) == NONE;
		other = lane_of(g, sandbox);
		if (other != NONE)
			draw_merge(g, own, other, begins, f);
	} else if (strcmp(what, "create") == 0) {
		end_lane(g, own);
	}
}
