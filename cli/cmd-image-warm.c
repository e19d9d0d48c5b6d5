/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-image-warm.c - podflare image warm
 *
 * Runs in the CLI.  Sizes are checked by the runner.
 */
#include "cli/cmds.h"
#include "cli/create.h"
#include "cli/image-push.h"
#include "cli/output.h"

static const struct opt options[] = {
	{ OPT_NUMBER, 0, "cpus", "N", "virtual CPUs, 1 to 8 (default: 1)",
	  offsetof(struct create_opts, cpus) },
	{ OPT_SIZE, 0, "memory", "SIZE", "RAM, 128M to 16G (default: 512M)",
	  offsetof(struct create_opts, memory) },
	{ OPT_SIZE, 0, "disk", "SIZE", "writable disk, to 64G (default: 8G)",
	  offsetof(struct create_opts, disk) },
	OPT_TABLE_END,
};

static int run(struct cmd_ctx *ctx, struct err *err)
{
	struct create_opts o = *(const struct create_opts *)ctx->opts;
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_JSON json_t *params = NULL;
	CLEANUP_JSON json_t *made = NULL;

	o.image = ctx->argv[0];
	params = create_params(&o, err);
	if (!params || client_open(&c, ctx->globals, err) < 0)
		return -1;
	made = client_call(&c, "image.warm", json_incref(params), err);
	if (!made && image_ensure(&c, o.image, err) == 0)
		made = client_call(&c, "image.warm", json_incref(params), err);
	if (!made)
		return -1;
	if (ctx->globals->json)
		output_json(made);
	else
		output_name(o.image);
	return 0;
}

const struct cmd cmd_image_warm = {
	.name = "warm",
	.summary = "Boot an image, so that sandboxes of it are made quickly",
	.operands = "IMAGE",
	.opts = options,
	.opts_size = sizeof(struct create_opts),
	.min = 1,
	.max = 1,
	.run = run,
};
