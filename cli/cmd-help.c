/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-help.c - podflare help
 *
 * Runs in the CLI.  The manual page is that of the tree this program was built
 * in, else the installed one; without man(1) and mandoc(1), the usage.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "common/cleanup.h"
#include "common/proc.h"

/* Return: malloc'ed path of the page, NULL when there is none. */
static char *find_page(const char *page)
{
	static const char *const places[] = { "man", "../man",
					      PODFLARE_MANDIR "/man1" };
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *path = NULL;

		if (asprintf(&path, "%s%s%s/%s.1",
			     places[i][0] == '/' ? "" : self,
			     places[i][0] == '/' ? "" : "/", places[i],
			     page) < 0)
			return NULL;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* Return: whether @argv ran and was content. */
static bool run_viewer(const char *const *argv)
{
	struct proc_spawn s = { .argv = argv, .fds = { 0, 1, 2 }, .nfds = 3 };
	struct err ignored = ERR_INIT;
	int status;
	pid_t pid = proc_spawn(&s, NULL, &ignored);

	if (pid < 0 ||
	    TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) != pid)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool show_page(const char *page)
{
	CLEANUP_FREE char *path = find_page(page);
	const char *const man[] = { "man", path, NULL };
	const char *const mandoc[] = { "mandoc", "-a", path, NULL };

	fflush(stdout);
	return path && (run_viewer(man) || run_viewer(mandoc));
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct cmd *cmd = NULL, *sub = NULL;
	char page[80] = "podflare", name[80];

	if (ctx->argc) {
		cmd = cmd_find(cmd_table, "", ctx->argv[0], err);
		if (!cmd)
			return -1;
		snprintf(page, sizeof(page), "podflare-%s", cmd->name);
	}
	if (ctx->argc > 1 && cmd->subs) {
		sub = cmd_find(cmd->subs, cmd->name, ctx->argv[1], err);
		if (!sub)
			return -1;
	}
	if (show_page(page))
		return 0;
	if (!cmd) {
		cmd_usage_all(stdout);
		return 0;
	}
	snprintf(name, sizeof(name), "%s%s%s", cmd->name, sub ? " " : "",
		 sub ? sub->name : "");
	cmd_usage(stdout, sub ? sub : cmd, name);
	return 0;
}

const struct cmd cmd_help = {
	.name = "help",
	.summary = "Show the manual page of podflare or of a command",
	.operands = "[COMMAND [SUBCOMMAND]]",
	.min = 0,
	.max = 2,
	.run = run,
};
