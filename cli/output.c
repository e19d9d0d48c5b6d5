/* SPDX-License-Identifier: MIT */
/*
 * cli/output.c - tables, JSON and names on stdout
 *
 * Runs in the CLI.  Distrusts every text it is given: names, labels and reasons
 * may come from a guest, so cells are made safe before they are measured.
 */
#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/text.h"

#define GAP 2
#define CELL_MAX 256
#define FLEX_MIN 8	/* columns that a cut cell keeps at least */

/* See output.h. */
void table_init(struct table *t, const struct column *columns, size_t n)
{
	*t = (struct table){ .columns = columns, .nr_columns = n };
}

/* See output.h. */
void table_cell(struct table *t, const char *text)
{
	char clean[CELL_MAX];

	if (t->nr_cells == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		char **cells = realloc(t->cells, cap * sizeof(*cells));

		if (!cells)
			BUG("out of memory for a table");
		t->cells = cells;
		t->cap = cap;
	}
	text_clean(text && *text ? text : "-", clean, sizeof(clean));
	t->cells[t->nr_cells] = strdup(clean);
	if (!t->cells[t->nr_cells])
		BUG("out of memory for a table");
	t->nr_cells++;
}

/* See output.h. */
void table_cellf(struct table *t, const char *fmt, ...)
{
	char text[CELL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_cell(t, text);
}

/* How wide each column is; flexible ones give way until all fits @width. */
static void measure(const struct table *t, size_t *widths, size_t width)
{
	size_t total = 0;

	for (size_t c = 0; c < t->nr_columns; c++)
		widths[c] = text_width(t->columns[c].title);
	for (size_t i = 0; i < t->nr_cells; i++)
		widths[i % t->nr_columns] = MAX(widths[i % t->nr_columns],
						text_width(t->cells[i]));
	for (size_t c = 0; c < t->nr_columns; c++)
		total += widths[c] + (c ? GAP : 0);
	while (width && total > width) {
		size_t widest = t->nr_columns;

		for (size_t c = 0; c < t->nr_columns; c++)
			if (t->columns[c].flexible && widths[c] > FLEX_MIN &&
			    (widest == t->nr_columns ||
			     widths[c] > widths[widest]))
				widest = c;
		if (widest == t->nr_columns)
			break;
		widths[widest]--;
		total--;
	}
}

static void put_cell(FILE *f, const char *text, size_t width, bool right,
		     bool last)
{
	size_t have = text_width(text);
	size_t keep = have > width ? width - 1 : have;

	if (right && have < width)
		fprintf(f, "%*s", (int)(width - have), "");
	for (size_t n = 0; *text; text++) {
		if (((unsigned char)*text & 0xc0) != 0x80 && n++ == keep)
			break;
		fputc(*text, f);
	}
	if (have > width)
		fputc('+', f);
	if (last)
		fputc('\n', f);
	else
		fprintf(f, "%*s",
			(int)(GAP + (right || have >= width ? 0 : width - have)),
			"");
}

/* See output.h. */
void table_print(const struct table *t, FILE *f, size_t width)
{
	size_t widths[16];

	BUG_ON(t->nr_columns == 0 || t->nr_columns > ARRAY_SIZE(widths));
	measure(t, widths, width);
	for (size_t c = 0; c < t->nr_columns; c++)
		put_cell(f, t->columns[c].title, widths[c],
			 t->columns[c].right, c + 1 == t->nr_columns);
	for (size_t i = 0; i < t->nr_cells; i++) {
		size_t c = i % t->nr_columns;

		put_cell(f, t->cells[i], widths[c], t->columns[c].right,
			 c + 1 == t->nr_columns);
	}
}

/* See output.h. */
void table_free(struct table *t)
{
	for (size_t i = 0; i < t->nr_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->nr_cells = 0;
	t->cap = 0;
}

/* See output.h. */
void output_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', stdout);
}

/* See output.h. */
void output_name(const char *name)
{
	text_write(stdout, name, strlen(name), TEXT_ONE_LINE);
	fputc('\n', stdout);
}

/* See output.h. */
int output_flush(struct err *err)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	if (errno == EPIPE)
		return CMD_EXIT_PIPE;
	return err_sys(err, errno ? errno : EIO, "standard output");
}

/* See output.h. */
const char *json_text(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : "";
}

/* See output.h. */
uint64_t json_number(const json_t *obj, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(obj, key));

	return v > 0 ? (uint64_t)v : 0;
}
