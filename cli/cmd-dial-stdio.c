/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-dial-stdio.c - podflare dial-stdio
 *
 * Runs in the CLI on the far side of ssh(1), kubectl exec and the like: joins
 * its stdin and stdout to the runner.  Does not look at what passes through.
 */
#include <errno.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/host.h"
#include "common/dial.h"

static int run(struct cmd_ctx *ctx, struct err *err)
{
	int sock;

	if (isatty(STDIN_FILENO)) {
		err_set(err, ERR_USAGE, "dial-stdio: stdin is a terminal");
		return err_hint(err, "it is for programs; see "
				"`podflare help dial-stdio`");
	}
	sock = host_connect(ctx->globals, true, err);
	if (sock < 0)
		return -1;
	if (dial_relay(sock, STDIN_FILENO, STDOUT_FILENO, err) == 0)
		return 0;
	/* who called us has what it wanted and left */
	return err->sys == EPIPE || err->sys == ECONNRESET ? 0 : -1;
}

const struct cmd cmd_dial_stdio = {
	.name = "dial-stdio",
	.summary = "Join stdin and stdout to the runner, for PODFLARE_HOST",
	.operands = "",
	.run = run,
};
