/* SPDX-License-Identifier: MIT */
/*
 * cli/machine-shell.c - podflare machine shell
 *
 * Runs in the CLI.  Speaks the agent protocol's EXEC with the machine itself.
 */
#include "cli/machine-shell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/machine-client.h"
#include "cli/session.h"
#include "cli/term.h"
#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"

struct opts {
	bool no_stdin;
	bool tty;
	const char *user;
};

static const struct opt options[] = {
	{ OPT_FLAG, 'n', "no-stdin", NULL, "do not forward our standard input",
	  offsetof(struct opts, no_stdin) },
	{ OPT_FLAG, 't', "tty", NULL, "give the command a terminal",
	  offsetof(struct opts, tty) },
	{ OPT_STRING, 'u', "user", "USER", "root, or podflare (default), whose "
	  "the runner is", offsetof(struct opts, user) },
	OPT_TABLE_END,
};

static int put_terminal(struct buf *b)
{
	const char *term = getenv("TERM");
	unsigned int rows = 24, cols = 80;
	char env[128];

	term_size(STDIN_FILENO, &rows, &cols);
	snprintf(env, sizeof(env), "TERM=%s", term ? term : "dumb");
	return tlv_put_str(b, AGENT_T_ENV, env) < 0 ||
	       tlv_put_u32(b, AGENT_T_ROWS, rows) < 0 ||
	       tlv_put_u32(b, AGENT_T_COLS, cols) < 0 ? -1 : 0;
}

static int send_request(int fd, const struct opts *o, bool tty, int argc,
			char *const *argv, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint32_t flags = 0;
	int rc = 0;

	if (!o->no_stdin)
		flags |= AGENT_EXEC_STDIN;
	if (tty)
		flags |= AGENT_EXEC_TTY;
	for (int i = 0; i < argc && rc == 0; i++)
		rc = tlv_put_str(&b, AGENT_T_ARG, argv[i]);
	if (rc == 0)
		rc = tlv_put_str(&b, AGENT_T_USER,
				 o->user ? o->user : "podflare");
	if (rc == 0)
		rc = tlv_put_u32(&b, AGENT_T_FLAGS, flags);
	if (rc == 0 && tty)
		rc = put_terminal(&b);
	if (rc < 0)
		return err_sys(err, errno, "command");
	if (b.len > FRAME_MAX)
		return err_set(err, ERR_LIMIT, "the command is over 1 MiB");
	if (frame_write(fd, AGENT_EXEC, b.data, b.len) < 0)
		return err_sys(err, errno, "the emulated machine");
	return 0;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	const struct opts *o = ctx->opts;
	struct machine_start how = { .globals = ctx->globals, .start = true };
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	bool tty = o->tty || (!ctx->argc && isatty(STDIN_FILENO));
	struct session_opts so = { .tty = tty, .stdin_open = !o->no_stdin,
				   .sigs = &sigs };
	struct session_end end;

	s.fd = machine_open("shell", &how, err);
	if (s.fd < 0 || sigs_open(&sigs, err) < 0 ||
	    send_request(s.fd, o, tty, ctx->argc, ctx->argv, err) < 0 ||
	    session_run(&s, &so, &end, err) < 0)
		return -1;
	return end.code;
}

const struct cmd machine_shell = {
	.name = "shell",
	.summary = "Run a command, or a shell, in the machine itself",
	.operands = "[--] [COMMAND [ARG...]]",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.max = -1,
	.flags = CMD_LEADING | CMD_EXEC,
	.run = run,
};
