/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-image-build.c - podflare image build, podflare image import
 *
 * Runs in the CLI.
 */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/host.h"
#include "cli/image-build.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/dial.h"
#include "common/path.h"

struct build_opts {
	const char *name;
	bool force;
};

static const struct opt build_options[] = {
	{ OPT_STRING, 'n', "name", "NAME", "its name (else the recipe's)",
	  offsetof(struct build_opts, name) },
	{ OPT_FLAG, 'f', "force", NULL, "build even if nothing has changed",
	  offsetof(struct build_opts, force) },
	OPT_TABLE_END,
};

struct import_opts {
	const char *name;
	const char *kernel_from;
};

static const struct opt import_options[] = {
	{ OPT_STRING, 'n', "name", "NAME", "its name (else the file's)",
	  offsetof(struct import_opts, name) },
	{ OPT_STRING, 0, "kernel-from", "IMAGE", "the image whose kernel it "
	  "gets (default: default)", offsetof(struct import_opts,
					       kernel_from) },
	OPT_TABLE_END,
};

/* Whether this user has any sandbox on this host. */
static bool has_sandboxes(void)
{
	CLEANUP_FREE char *path = path_place(PATH_DATA, "sandboxes", false,
					     NULL);
	CLEANUP_DIR DIR *d = path ? opendir(path) : NULL;
	struct dirent *e;

	if (!d)
		return errno != ENOENT;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			return true;
	return false;
}

/* What had the name before is of no use, unless a sandbox uses it: a runner
 * knows, but none is started just to be asked. */
static void drop_old(struct globals *g, const struct image_made *m)
{
	CLEANUP_STORE struct store s = STORE_INIT;
	struct err ignored = ERR_INIT;
	CLEANUP_JSON json_t *image = NULL;
	CLEANUP_JSON json_t *done = NULL;
	int fd;

	if (!m->old[0] || !strcmp(m->old, m->dir) ||
	    store_open(&s, false, &ignored) < 0)
		return;
	image = store_show(&s, m->old, &ignored);
	if (!image || json_array_size(json_object_get(image, "names")))
		return;
	fd = dial_runner(NULL, false, &ignored);
	if (fd < 0 && !has_sandboxes())
		store_remove(&s, m->old, &ignored);
	if (fd < 0)
		return;
	close(fd);
	if (host_is_local())
		done = client_once(g, "image.rm",
				   json_pack("{s:s}", "image", m->old),
				   &ignored);
}

static int print(struct globals *g, const struct image_made *m,
		 struct err *err)
{
	CLEANUP_STORE struct store s = STORE_INIT;
	CLEANUP_JSON json_t *image = NULL;
	char digest[24];

	store_short(m->dir, digest);
	if (!g->json) {
		if (m->unchanged)
			output_note(g, "nothing has changed: %s is %s (--force "
				    "builds it again)", m->name, digest);
		else
			output_note(g, "image %s is %s", m->name, digest);
		output_name(m->name);
		return 0;
	}
	if (store_open(&s, false, err) < 0)
		return -1;
	image = store_show(&s, m->dir, err);
	if (!image)
		return -1;
	json_object_set_new(image, "unchanged", json_boolean(m->unchanged));
	output_json(image);
	return 0;
}

static int run_build(struct cmd_ctx *ctx, struct err *err)
{
	const struct build_opts *o = ctx->opts;
	struct image_made m;

	if (image_build(ctx->globals, ctx->argv[0], o->name, o->force, &m,
			err) < 0)
		return -1;
	drop_old(ctx->globals, &m);
	return print(ctx->globals, &m, err);
}

static int run_import(struct cmd_ctx *ctx, struct err *err)
{
	const struct import_opts *o = ctx->opts;
	struct image_made m;

	if (image_import(ctx->globals, ctx->argv[0], o->name, o->kernel_from,
			 &m, err) < 0)
		return -1;
	drop_old(ctx->globals, &m);
	return print(ctx->globals, &m, err);
}

const struct cmd cmd_image_build = {
	.name = "build",
	.summary = "Build an image from a recipe",
	.operands = "RECIPE",
	.opts = build_options,
	.opts_size = sizeof(struct build_opts),
	.min = 1,
	.max = 1,
	.run = run_build,
};

const struct cmd cmd_image_import = {
	.name = "import",
	.summary = "Make an image of a root file system in a tar archive",
	.operands = "FILE",
	.opts = import_options,
	.opts_size = sizeof(struct import_opts),
	.min = 1,
	.max = 1,
	.run = run_import,
};
