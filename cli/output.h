/* SPDX-License-Identifier: MIT */
/*
 * cli/output.h - what commands print
 *
 * Results go to stdout, all else to stderr.  Text is made safe (text.h).
 */
#ifndef PODFLARE_CLI_OUTPUT_H
#define PODFLARE_CLI_OUTPUT_H

#include <jansson.h>

#include "cli/cmd.h"

struct column {
	const char *title;
	bool right;	/* numbers */
	bool flexible;	/* may be cut when the terminal is narrow */
};

struct table {
	const struct column *columns;
	size_t nr_columns;
	char **cells;	/* row by row */
	size_t nr_cells, cap;
};

#define CLEANUP_TABLE __attribute__((cleanup(table_free)))

void table_init(struct table *t, const struct column *columns, size_t n);
/* One cell, left to right; a copy is made. NULL is "-". */
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...) PRINTF(2, 3);
/* Titles and rows; @width 0: as wide as it takes. */
void table_print(const struct table *t, FILE *f, size_t width);
void table_free(struct table *t);

/* A JSON value on stdout, indented. */
void output_json(const json_t *value);
/* One line on stdout: a name or an id. */
void output_name(const char *name);
/* "podflare: error: ..." and "hint: ...", or the JSON object, on stderr. */
void output_error(const struct globals *g, const struct err *err);
/* "podflare: ..." on stderr, unless quiet. */
void output_note(const struct globals *g, const char *fmt, ...) PRINTF(2, 3);
/* "podflare: warning: ..." on stderr. */
void output_warn(const struct globals *g, const char *fmt, ...) PRINTF(2, 3);
/* Flush stdout. Return: 0, CMD_EXIT_PIPE when its reader is gone, -1 with
 * @err (disk full). */
int output_flush(struct err *err);

/* Members of JSON objects that came from elsewhere: never NULL, never a
 * wrong type. */
const char *json_text(const json_t *obj, const char *key);
uint64_t json_number(const json_t *obj, const char *key);

#endif
