/* SPDX-License-Identifier: MIT */
/*
 * cli/main.c - podflare, the command-line tool
 *
 * One process per command line; prints errors once and chooses the exit code.
 * Distrusts argv, the runner's answers for form, and all that a guest sends.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/output.h"
#include "cli/term.h"
#include "common/log.h"

static int exit_code(const struct globals *g, const struct cmd *cmd,
		     const struct err *err)
{
	if (err->code == ERR_CANCELLED && g->signal)
		return CMD_EXIT_SIGNAL + g->signal;
	if (err->code == ERR_USAGE)
		return CMD_EXIT_USAGE;
	if (cmd && cmd->flags & CMD_EXEC)
		return CMD_EXIT_OURS;
	return CMD_EXIT_FAILURE;
}

/* A standard descriptor that is closed would be taken by the next open(2), and
 * a sandbox's output would go there. Writing to a read-only one fails. */
static void fill_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct globals g = { 0 };
	const struct cmd *cmd = NULL;
	struct err err = ERR_INIT;
	int rc, flushed;

	fill_standard_fds();
	/* A closed pipe is an error of write(2), which every path handles. */
	signal(SIGPIPE, SIG_IGN);
	log_init("podflare", LOG_WARN);
	rc = cmd_main(&g, argc > 0 ? argc - 1 : 0, argv + 1, &cmd, &err);
	term_restore();
	/* after a closed pipe all has been said */
	if (rc >= 0 && rc != CMD_EXIT_PIPE) {
		flushed = output_flush(&err);
		if (flushed > 0)
			rc = flushed;
		else if (flushed < 0)
			rc = -1;
	}
	if (rc < 0) {
		rc = exit_code(&g, cmd, &err);
		output_error(&g, &err);
	}
	free(g.console);
	return rc;
}
