/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd.h - commands
 *
 * A command is one file that ends in a const struct cmd, and one line of the
 * table in cmd.c.  It gets its parsed options and operands, prints its result
 * on stdout, and returns the exit code, or -1 with the error set.
 */
#ifndef PODFLARE_CLI_CMD_H
#define PODFLARE_CLI_CMD_H

#include "cli/opts.h"

/* Options that every command takes, before or after its name. */
struct globals {
	const char *host;	/* -H; put into PODFLARE_HOST as well */
	const char *config;	/* --config; put into PODFLARE_CONFIG */
	bool json;
	bool quiet;
	int verbose;
	bool help;
	bool version;
	bool dump_options;
	bool warned;		/* that the runner is of another version */
	int signal;		/* that ended the command's work, 0 */
	/* The guest's last console lines, which came with an error: malloc'ed.
	 * main prints them before the error. */
	char *console;
};

struct cmd_ctx {
	const struct cmd *cmd;
	struct globals *globals;
	void *opts;		/* the command's struct, filled in */
	int argc;		/* operands */
	int split;		/* how many of them stand before "--" */
	char **argv;
};

enum cmd_flags {
	CMD_LEADING = 1,	/* options end at the first operand */
	CMD_EXEC = 2,		/* our own failure is 125, not 1 */
	CMD_SIGNALS = 4,	/* SIGINT and SIGQUIT count even if our parent
				 * ignored them, as a shell without job control
				 * does for what it puts in the background */
};

#define CMD_EXIT_FAILURE 1
#define CMD_EXIT_USAGE 2
#define CMD_EXIT_TIMEOUT 124
#define CMD_EXIT_OURS 125
#define CMD_EXIT_SIGNAL 128
#define CMD_EXIT_PIPE 141	/* stdout was closed, as SIGPIPE would give */

struct cmd {
	const char *name;
	const char *summary;	/* "Make a new sandbox and print its name" */
	const char *operands;	/* "SB [--] CMD...", "" when there are none */
	const struct opt *opts;	/* NULL: none of its own */
	size_t opts_size;	/* of the struct they are parsed into */
	int min, max;		/* operands; max -1: any number */
	unsigned int flags;	/* enum cmd_flags */
	const struct cmd *const *subs;	/* NULL-terminated: `image build` */
	int (*run)(struct cmd_ctx *ctx, struct err *err);
};

/* All commands, NULL-terminated, in the order of the help. */
extern const struct cmd *const cmd_table[];

/* The command of that name or of which it is the only prefix.
 * Return: NULL with @err (ERR_USAGE; hint: did you mean). */
const struct cmd *cmd_find(const struct cmd *const *table, const char *parent,
			   const char *name, struct err *err);
/*
 * Find the command in @argv, parse its options and run it.
 * @param argv without the program's name; it is reordered
 * @param found set to the command, for the exit code on errors; may be NULL
 * Return: as struct cmd's run().
 */
int cmd_main(struct globals *g, int argc, char **argv,
	     const struct cmd **found, struct err *err);
/* Lines "command", "synopsis" and "option" for scripts. */
void cmd_dump(FILE *f);
/* The list of commands, or (@name "image build") one command's usage. */
void cmd_usage_all(FILE *f);
void cmd_usage(FILE *f, const struct cmd *cmd, const char *name);

#endif
