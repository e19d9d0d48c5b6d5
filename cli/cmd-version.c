/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-version.c - podflare version
 *
 * Runs in the CLI; asks no runner and starts none.
 */
#include <stdio.h>

#include "cli/cmds.h"
#include "common/agent.h"
#include "common/jsonrpc.h"

static int run(struct cmd_ctx *ctx, struct err *err)
{
	(void)err;
	if (ctx->globals->json)
		printf("{\"version\": \"%s\", \"api\": %d, \"agent\": %d}\n",
		       PACKAGE_VERSION, JSONRPC_PROTOCOL, AGENT_PROTOCOL);
	else
		printf("podflare %s\n", PACKAGE_VERSION);
	return 0;
}

const struct cmd cmd_version = {
	.name = "version",
	.summary = "Print the version",
	.operands = "",
	.run = run,
};
