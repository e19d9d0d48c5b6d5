/* SPDX-License-Identifier: MIT */
/*
 * cli/opts-usage.c - option tables: usage text and the dump for scripts
 *
 * Runs in the CLI, on our own tables only.
 */
#include "cli/opts.h"

#include <string.h>

#include "common/buf.h"

#define HELP_COLUMN 26

static bool shown(const struct opt *o)
{
	return o->kind != OPT_GROUP && o->help;
}

/* "[-n NAME]"; the letter where there is one. */
static void put_option(struct buf *b, const struct opt *o)
{
	buf_printf(b, " [");
	if (o->letter)
		buf_printf(b, "-%c", o->letter);
	else
		buf_printf(b, "--%s", o->name);
	if (o->arg)
		buf_printf(b, " %s", o->arg);
	buf_printf(b, "]");
	if (o->kind == OPT_LIST)
		buf_printf(b, "...");
}

static void put_table(struct buf *b, const struct opt *table)
{
	for (const struct opt *o = table; o && o->kind != OPT_END; o++) {
		if (o->kind == OPT_GROUP)
			put_table(b, o->group);
		else if (shown(o))
			put_option(b, o);
	}
}

static void put_synopsis(struct buf *b, const char *command,
			 const struct opt *table, const char *operands)
{
	buf_printf(b, "podflare%s%s", *command ? " " : "", command);
	put_table(b, table);
	if (operands && *operands)
		buf_printf(b, " %s", operands);
}

/* See opts.h. */
void opts_synopsis(FILE *f, const char *command, const struct opt *table,
		   const char *operands)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	put_synopsis(&b, command, table, operands);
	fprintf(f, "%s\n", buf_str(&b));
}

/* Where the piece at @s ends: at a space outside of brackets. */
static size_t piece(const char *s)
{
	size_t n = 0;
	int depth = 0;

	for (; s[n]; n++) {
		if (s[n] == '[')
			depth++;
		if (s[n] == ']' && depth > 0)
			depth--;
		if (s[n] == ' ' && !depth)
			break;
	}
	return n;
}

/* See opts.h. */
void opts_usage(FILE *f, const char *command, const struct opt *table,
		const char *operands, size_t width)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t indent = strlen("usage: podflare ") + strlen(command) +
			(*command != 0);
	size_t column = strlen("usage:");
	const char *s;

	put_synopsis(&b, command, table, operands);
	fputs("usage:", f);
	for (s = buf_str(&b); *s;) {
		size_t n = piece(s);

		if (column + 1 + n > width && column > indent) {
			fprintf(f, "\n%*s", (int)indent - 1, "");
			column = indent - 1;
		}
		fprintf(f, " %.*s", (int)n, s);
		column += 1 + n;
		s += n;
		s += *s == ' ';
	}
	fputs("\n", f);
}

/* See opts.h. */
void opts_help(FILE *f, const struct opt *table)
{
	for (const struct opt *o = table; o && o->kind != OPT_END; o++) {
		char left[64];
		int n = 0;

		if (o->kind == OPT_GROUP)
			opts_help(f, o->group);
		if (!shown(o))
			continue;
		if (o->letter && o->name)
			n = snprintf(left, sizeof(left), "-%c, --%s", o->letter,
				     o->name);
		else if (o->letter)
			n = snprintf(left, sizeof(left), "-%c", o->letter);
		else
			n = snprintf(left, sizeof(left), "    --%s", o->name);
		if (o->arg)
			snprintf(left + n, sizeof(left) - (size_t)n, " %s",
				 o->arg);
		if (strlen(left) < HELP_COLUMN - 3)
			fprintf(f, "  %-*s%s\n", HELP_COLUMN - 2, left,
				o->help);
		else
			fprintf(f, "  %s\n%*s%s\n", left, HELP_COLUMN, "",
				o->help);
	}
}

/* See opts.h. */
void opts_dump(FILE *f, const char *command, const struct opt *table)
{
	for (const struct opt *o = table; o && o->kind != OPT_END; o++) {
		char letter[3] = "-";

		if (o->kind == OPT_GROUP)
			opts_dump(f, command, o->group);
		if (!shown(o))
			continue;
		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c", o->letter);
		fprintf(f, "option\t%s\t%s\t%s%s\t%s\t%s\n",
			*command ? command : "-", letter, o->name ? "--" : "-",
			o->name ? o->name : "", o->arg ? o->arg : "-", o->help);
	}
}
