/* SPDX-License-Identifier: MIT */
/*
 * cli/opts.h - option tables
 *
 * A table describes options once; parsing, usage text, did-you-mean and
 * --dump-options all come from it.  Values go into a zeroed struct of the
 * command, at the option's offset; strings point into argv.
 */
#ifndef PODFLARE_CLI_OPTS_H
#define PODFLARE_CLI_OPTS_H

#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"

enum opt_kind {
	OPT_END,
	OPT_FLAG,	/* bool */
	OPT_COUNT,	/* int, how often */
	OPT_STRING,	/* const char * */
	OPT_LIST,	/* struct opt_list */
	OPT_NUMBER,	/* uint64_t, 1 at least, as the next two */
	OPT_SIZE,	/* uint64_t bytes: 512M */
	OPT_TIME,	/* uint64_t milliseconds: 30s */
	OPT_GROUP,	/* another table, its struct is embedded at the offset */
};

struct opt_list {
	const char **v;
	size_t n;
};

struct opt {
	enum opt_kind kind;
	char letter;		/* 0: none */
	const char *name;	/* long name, without the dashes */
	const char *arg;	/* what the value is called; NULL: no value */
	const char *help;	/* one line; NULL: accepted, not shown */
	size_t offset;
	const struct opt *group;
};

#define OPT_TABLE_END { .kind = OPT_END }
#define OPT_INCLUDE(table, type, member) \
	{ .kind = OPT_GROUP, .group = table, .offset = offsetof(type, member) }

/* Options may stand anywhere before "--", or only before the first operand. */
enum opts_mode { OPTS_ANYWHERE, OPTS_LEADING };

/* One table and the struct that takes its values. */
struct opts_target {
	const struct opt *table;
	void *base;
};

/*
 * Parse @argv (without the program's name). Operands are moved to its front.
 * An option is looked up in each of the @n targets in turn.
 * @param split set to how many of the operands stand before "--" (all, when
 * there is none); may be NULL
 * Return: how many operands there are, or -1 with @err (ERR_USAGE).
 */
int opts_parse(const struct opts_target *targets, size_t n, enum opts_mode mode,
	       int argc, char **argv, int *split, struct err *err);
/* Free what lists hold. */
void opts_free(const struct opt *table, void *base);

/* "podflare create [-n NAME] ... OPERANDS", one line, as the man page has it. */
void opts_synopsis(FILE *f, const char *command, const struct opt *table,
		   const char *operands);
/* The same, broken to @width columns. */
void opts_usage(FILE *f, const char *command, const struct opt *table,
		const char *operands, size_t width);
/* One line for each option: "  -n, --name NAME   give it this name". */
void opts_help(FILE *f, const struct opt *table);
/* One line for each option, tab-separated, for scripts:
 * option COMMAND -n --name NAME HELP ("-" where there is none). */
void opts_dump(FILE *f, const char *command, const struct opt *table);

#endif
