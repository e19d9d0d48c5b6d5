/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-help.c - podflare help
 *
 * Runs in the CLI.  The manual page is that of the tree this program was built
 * in, else the installed one; without man(1) and mandoc(1), the usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/proc.h"

#define PAGE_MAX MIB

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

/* Return: whether @argv ran and was content. @out: what it printed; NULL: onto our
 * own stdout. */
static bool run_viewer(const char *const *argv, struct buf *out)
{
	struct proc_spawn s = { .argv = argv, .fds = { 0, 1, 2 }, .nfds = 3 };
	struct err ignored = ERR_INIT;
	CLEANUP_FD int rd = -1;
	CLEANUP_FD int wr = -1;
	int fds[2], status;
	pid_t pid;

	if (out) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return false;
		rd = fds[0];
		wr = fds[1];
		s.fds[1] = wr;
	}
	pid = proc_spawn(&s, NULL, &ignored);
	if (pid < 0)
		return false;
	if (out) {
		close(steal_fd(&wr));
		while (out->len < PAGE_MAX && buf_read(out, rd, 16384) > 0)
			;
		close(steal_fd(&rd));
	}
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) != pid)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Print @text without what is for terminals: of "X, backspace, X" (bold) and
 * "_, backspace, X" (underlined) the X. */
static void print_plain(const struct buf *text)
{
	const unsigned char *p = text->data;

	for (size_t i = 0, n; i < text->len; i += n) {
		n = 1;
		while (i + n < text->len && (p[i + n] & 0xc0) == 0x80)
			n++;
		if (i + n < text->len && p[i + n] == '\b')
			n++;
		else
			fwrite(p + i, 1, n, stdout);
	}
}

/* mandoc(1), unlike man(1), overstrikes when it does not write to a terminal. */
static bool run_mandoc(const char *path)
{
	const char *const argv[] = { "mandoc", "-a", path, NULL };
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (isatty(STDOUT_FILENO))
		return run_viewer(argv, NULL);
	if (!run_viewer(argv, &text))
		return false;
	print_plain(&text);
	return true;
}

static bool show_page(const char *page)
{
	CLEANUP_FREE char *path = find_page(page);
	const char *const man[] = { "man", path, NULL };

	fflush(stdout);
	return path && (run_viewer(man, NULL) || run_mandoc(path));
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
