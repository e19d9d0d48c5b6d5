/* SPDX-License-Identifier: MIT */
/*
 * cli/log-graph.h - lines beside the events of a log, as git draws them
 *
 * Events are given newest first.  A sandbox that lives is a lane: it ends, going
 * down, where the sandbox began.
 */
#ifndef PODFLARE_CLI_LOG_GRAPH_H
#define PODFLARE_CLI_LOG_GRAPH_H

#include <stdio.h>

#include <jansson.h>

struct log_graph {
	char **lanes;	/* the sandboxes' ids; NULL: free */
	size_t n;
};

#define CLEANUP_LOG_GRAPH __attribute__((cleanup(log_graph_free)))

void log_graph_free(struct log_graph *g);
/* What stands before the event's text. Return: 0, -1 without memory. */
int log_graph_before(struct log_graph *g, const json_t *event, FILE *f);
/* The line below, if there is one. */
void log_graph_after(struct log_graph *g, const json_t *event, FILE *f);

#endif
