/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd.c - the table of commands, and how one is found and run
 *
 * Runs in the CLI.  argv is the user's and may hold anything.
 */
#include "cli/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/config-check.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/suggest.h"

const struct cmd *const cmd_table[] = {
	&cmd_create,
	&cmd_run,
	&cmd_exec,
	&cmd_eval,
	&cmd_shell,
	&cmd_attach,
	&cmd_cp,
	&cmd_ls,
	&cmd_show,
	&cmd_log,
	&cmd_logs,
	&cmd_console,
	&cmd_pause,
	&cmd_resume,
	&cmd_freeze,
	&cmd_thaw,
	&cmd_touch,
	&cmd_snapshot,
	&cmd_reset,
	&cmd_fork,
	&cmd_diff,
	&cmd_merge,
	&cmd_rm,
	&cmd_image,
	&cmd_gc,
	&cmd_dial_stdio,
	&cmd_machine,
	&cmd_doctor,
	&cmd_version,
	&cmd_help,
	NULL,
};

static const struct opt global_options[] = {
	{ OPT_STRING, 'H', "host", "HOST", "the runner: unix:PATH, machine, "
	  "ssh://HOST, exec:COMMAND", offsetof(struct globals, host) },
	{ OPT_FLAG, 0, "json", NULL, "results and errors as JSON",
	  offsetof(struct globals, json) },
	{ OPT_FLAG, 'q', "quiet", NULL, "no progress, no notes",
	  offsetof(struct globals, quiet) },
	{ OPT_COUNT, 'v', "verbose", NULL, "say more; twice: debug lines",
	  offsetof(struct globals, verbose) },
	{ OPT_STRING, 0, "config", "FILE", "the configuration file",
	  offsetof(struct globals, config) },
	{ OPT_FLAG, 'h', "help", NULL, "how a command is used",
	  offsetof(struct globals, help) },
	{ OPT_FLAG, 0, "version", NULL, NULL,
	  offsetof(struct globals, version) },
	{ OPT_FLAG, 0, "dump-options", NULL, NULL,
	  offsetof(struct globals, dump_options) },
	OPT_TABLE_END,
};

static void unknown_command(const struct cmd *const *table, const char *parent,
			    const char *name, struct err *err)
{
	struct suggest s = { .word = name };
	char candidates[256] = "";
	size_t used = 0;

	for (; *table; table++) {
		int n;

		suggest_offer(&s, (*table)->name);
		if (!*name || strncmp((*table)->name, name, strlen(name)))
			continue;
		n = snprintf(candidates + used, sizeof(candidates) - used,
			     "%s%s", used ? ", " : "", (*table)->name);
		if (n > 0 && used + (size_t)n < sizeof(candidates))
			used += (size_t)n;
	}
	if (used) {
		err_set(err, ERR_USAGE, "command \"%s%s%.64s\" is ambiguous",
			parent, *parent ? " " : "", name);
		err_hint(err, "it could be: %s", candidates);
		return;
	}
	err_set(err, ERR_USAGE, "unknown command \"%s%s%.64s\"", parent,
		*parent ? " " : "", name);
	if (s.best)
		err_hint(err, "did you mean \"%s%s%s\"?", parent,
			 *parent ? " " : "", s.best);
	else
		err_hint(err, "`podflare%s%s -h` lists the commands",
			 *parent ? " " : "", parent);
}

/* See cmd.h. */
const struct cmd *cmd_find(const struct cmd *const *table, const char *parent,
			   const char *name, struct err *err)
{
	const struct cmd *only = NULL;
	size_t len = strlen(name), found = 0;

	for (const struct cmd *const *c = table; *c; c++) {
		if (!strcmp((*c)->name, name))
			return *c;
		if (len && !strncmp((*c)->name, name, len)) {
			only = *c;
			found++;
		}
	}
	if (found == 1)
		return only;
	unknown_command(table, parent, name, err);
	return NULL;
}

static int check_operands(const struct cmd *cmd, const char *name, int n,
			  char **argv, struct err *err)
{
	if (n >= cmd->min && (cmd->max < 0 || n <= cmd->max))
		return 0;
	if (n < cmd->min)
		err_set(err, ERR_USAGE, "%s: %s", name,
			n ? "an operand is missing" : "operands are missing");
	else
		err_set(err, ERR_USAGE, "%s: unexpected operand \"%.64s\"",
			name, argv[cmd->max]);
	return err_hint(err, "usage: podflare %s%s%s", name,
			*cmd->operands ? " " : "", cmd->operands);
}

static int apply_globals(const struct globals *g, struct err *err)
{
	if ((g->host && setenv("PODFLARE_HOST", g->host, 1) < 0) ||
	    (g->config && setenv("PODFLARE_CONFIG", g->config, 1) < 0))
		return err_sys(err, errno, "environment");
	log_init("podflare", g->verbose > 1 ? LOG_DEBUG :
			     g->verbose	    ? LOG_INFO :
					      LOG_WARN);
	return 0;
}

static int run_cmd(struct globals *g, const struct cmd *cmd, const char *name,
		   int argc, char **argv, struct err *err)
{
	CLEANUP_FREE void *opts = calloc(1, cmd->opts_size + 1);
	struct opts_target targets[] = { { cmd->opts, opts },
					 { global_options, g } };
	struct cmd_ctx ctx = { .cmd = cmd, .globals = g, .opts = opts };
	int n, rc;

	if (!opts)
		return err_sys(err, ENOMEM, "options");
	n = opts_parse(targets, ARRAY_SIZE(targets),
		       cmd->flags & CMD_LEADING ? OPTS_LEADING : OPTS_ANYWHERE,
		       argc, argv, &ctx.split, err);
	rc = n < 0 ? -1 : 0;
	if (!rc && g->help) {
		cmd_usage(stdout, cmd, name);
		opts_free(cmd->opts, opts);
		return 0;
	}
	if (rc < 0)
		err_hint(err, "`podflare %s -h` shows how it is used", name);
	if (!rc)
		rc = check_operands(cmd, name, n, argv, err);
	if (!rc)
		rc = apply_globals(g, err);
	ctx.argc = n;
	ctx.argv = argv;
	if (cmd->flags & CMD_SIGNALS) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
	}
	if (!rc)
		config_check(g);
	if (!rc)
		rc = cmd->run(&ctx, err);
	opts_free(cmd->opts, opts);
	return rc;
}

/* A command with subcommands: the next operand names one of them. */
static int run_group(struct globals *g, const struct cmd *cmd, int argc,
		     char **argv, const struct cmd **found, struct err *err)
{
	struct opts_target target = { global_options, g };
	const struct cmd *sub;
	char name[64];
	int n = opts_parse(&target, 1, OPTS_LEADING, argc, argv, NULL, err);

	if (n < 0)
		return err_hint(err, "`podflare %s -h` shows how it is used",
				cmd->name);
	if (g->help) {
		cmd_usage(stdout, cmd, cmd->name);
		return 0;
	}
	if (!n) {
		err_set(err, ERR_USAGE, "%s: which of its commands?",
			cmd->name);
		return err_hint(err, "`podflare %s -h` lists them", cmd->name);
	}
	sub = cmd_find(cmd->subs, cmd->name, argv[0], err);
	if (!sub)
		return -1;
	if (found)
		*found = sub;
	snprintf(name, sizeof(name), "%s %s", cmd->name, sub->name);
	return run_cmd(g, sub, name, n - 1, argv + 1, err);
}

/* See cmd.h. */
int cmd_main(struct globals *g, int argc, char **argv,
	     const struct cmd **found, struct err *err)
{
	struct opts_target target = { global_options, g };
	const struct cmd *cmd;
	int n = opts_parse(&target, 1, OPTS_LEADING, argc, argv, NULL, err);

	if (n < 0)
		return err_hint(err, "`podflare help` shows how it is used");
	if (g->dump_options) {
		cmd_dump(stdout);
		return 0;
	}
	if (!n && g->version)
		return cmd_version.run(&(struct cmd_ctx){ .cmd = &cmd_version,
							  .globals = g }, err);
	if (!n && g->help) {
		cmd_usage_all(stdout);
		return 0;
	}
	if (!n) {
		err_set(err, ERR_USAGE, "which command?");
		return err_hint(err, "`podflare -h` lists them");
	}
	cmd = cmd_find(cmd_table, "", argv[0], err);
	if (!cmd)
		return -1;
	if (found)
		*found = cmd;
	if (cmd->subs)
		return run_group(g, cmd, n - 1, argv + 1, found, err);
	return run_cmd(g, cmd, cmd->name, n - 1, argv + 1, err);
}

static void dump_cmd(FILE *f, const struct cmd *cmd, const char *parent)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", parent, *parent ? " " : "",
		 cmd->name);
	fprintf(f, "command\t%s\t%s\n", name, cmd->summary);
	if (!cmd->subs) {
		fprintf(f, "synopsis\t%s\t", name);
		opts_synopsis(f, name, cmd->opts, cmd->operands);
		opts_dump(f, name, cmd->opts);
	}
	for (const struct cmd *const *s = cmd->subs; s && *s; s++)
		dump_cmd(f, *s, name);
}

/* See cmd.h. */
void cmd_dump(FILE *f)
{
	fprintf(f, "synopsis\t-\t");
	opts_synopsis(f, "", global_options, "COMMAND [ARG...]");
	opts_dump(f, "", global_options);
	for (const struct cmd *const *c = cmd_table; *c; c++)
		dump_cmd(f, *c, "");
}

static void list_commands(FILE *f, const struct cmd *const *table)
{
	for (; *table; table++)
		fprintf(f, "  %-14s%s\n", (*table)->name, (*table)->summary);
}

/* See cmd.h. */
void cmd_usage_all(FILE *f)
{
	opts_usage(f, "", global_options, "COMMAND [ARG...]", 80);
	fputs("\nSandboxes that boot in their own small virtual machine.\n\n"
	      "Commands:\n", f);
	list_commands(f, cmd_table);
	fputs("\nOptions of every command:\n", f);
	opts_help(f, global_options);
	fputs("\n`podflare help COMMAND` shows a command's manual page.\n", f);
}

/* See cmd.h. */
void cmd_usage(FILE *f, const struct cmd *cmd, const char *name)
{
	if (cmd->subs) {
		fprintf(f, "usage: podflare %s COMMAND [ARG...]\n", name);
		fprintf(f, "\n%s.\n\nCommands:\n", cmd->summary);
		list_commands(f, cmd->subs);
		return;
	}
	opts_usage(f, name, cmd->opts, cmd->operands, 80);
	fprintf(f, "\n%s.\n", cmd->summary);
	if (cmd->opts) {
		fputs("\n", f);
		opts_help(f, cmd->opts);
	}
}
