/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-cp.c - podflare cp
 *
 * Runs in the CLI.  Distrusts the sandbox: cp-extract.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/cp-extract.h"
#include "cli/cp-pack.h"
#include "cli/cp-stat.h"
#include "cli/output.h"
#include "common/cleanup.h"

#define SAY_REFUSED 20	/* lines at most */

struct opts {
	bool follow;
};

static const struct opt options[] = {
	{ OPT_FLAG, 'L', "follow-link", NULL, "if SRC is a symbolic link: what "
	  "it points to", offsetof(struct opts, follow) },
	OPT_TABLE_END,
};

struct copy {
	struct globals *g;
	const struct opts *o;
	struct client c;
	struct sigs sigs;
	struct cp_end src, dst;
	struct cp_plan plan;
	bool src_follow;	/* a link at its end */
	uint64_t size;		/* of SRC, when it is a file */
};

static int missing(const struct cp_end *e, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "%s%s%s: no such file or directory",
		       e->sandbox ? e->sandbox : "", e->sandbox ? ":" : "",
		       e->path);
}

/* Both sides looked at, and the plan made. */
static int make_plan(struct copy *x, struct err *err)
{
	enum cp_type src_type = CP_FOLDER, dst_type = CP_FOLDER;
	bool folder_exists = true;

	x->src_follow = x->o->follow || x->src.slash;
	if (!x->src.stdio) {
		if (cp_stat(&x->c, &x->src, x->src_follow, &src_type, &x->size,
			    err) < 0)
			return -1;
		if (src_type == CP_MISSING)
			return missing(&x->src, err);
	}
	if (x->dst.stdio)
		return 0;
	if (cp_stat_destination(&x->c, &x->dst, &dst_type, &folder_exists,
				err) < 0)
		return -1;
	if (x->src.stdio && dst_type != CP_FOLDER) {
		err_set(err, ERR_NOT_FOUND, "%s: is not a directory",
			x->dst.path);
		return err_hint(err, "a tar stream is unpacked into a "
				"directory that exists");
	}
	if (x->src.stdio)
		x->src.contents = true;
	return cp_plan_make(&x->src, src_type, &x->dst, dst_type,
			    folder_exists, &x->plan, err);
}

static int start_get(struct copy *x, const char *name, struct stream *s,
		     struct err *err)
{
	json_t *params = json_pack("{s:s, s:s}", "sandbox", x->src.sandbox,
				   "path", x->src.path);

	if (name && json_object_set_new(params, "name", json_string(name)) < 0)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", name);
	if (x->src_follow)
		json_object_set_new(params, "follow", json_true());
	return client_stream(&x->c, "files.get", params, s, err);
}

/* SB:PATH -> "-" */
static int get_to_stdout(struct copy *x, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	struct xfer xf;
	const void *data;
	size_t len;
	int rc;

	if (isatty(STDOUT_FILENO))
		return err_set(err, ERR_USAGE,
			       "cp: will not write a tar stream to a terminal");
	if (start_get(x, x->src.contents ? "." : NULL, &s, err) < 0)
		return -1;
	xfer_init(&xf, &s, &x->sigs, x->g, "copying");
	xf.total = 0;
	while ((rc = xfer_receive(&xf, &data, &len, err)) > 0) {
		if (fwrite(data, 1, len, stdout) != len)
			break;	/* main flushes, and says why */
	}
	progress_end(&xf.progress);
	if (xf.signal)
		return CMD_EXIT_SIGNAL + xf.signal;
	return rc < 0 ? -1 : 0;
}

static int next_bytes(void *source, const void **data, size_t *len,
		      struct err *err)
{
	return xfer_receive(source, data, len, err);
}

struct refusals {
	struct globals *g;
	struct xfer *xfer;
	const struct extract *extract;
};

static void on_refused(void *user, const char *path, const char *why)
{
	struct refusals *r = user;

	progress_end(&r->xfer->progress);
	if (r->extract->nr_refused <= SAY_REFUSED)
		output_warn(r->g, "left out: %s: %s", path, why);
}

/* SB:PATH -> PATH */
static int get_to_files(struct copy *x, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	CLEANUP_FD int folder = open(x->plan.folder,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct xfer xf;
	struct extract e = { .folder = folder,
			     .only = x->plan.name,
			     .next = next_bytes,
			     .source = &xf,
			     .refused = on_refused };
	struct refusals r = { x->g, &xf, &e };
	int rc;

	if (folder < 0)
		return err_sys(err, errno, "%s", x->plan.folder);
	if (start_get(x, x->plan.name ? x->plan.name : ".", &s, err) < 0)
		return -1;
	xfer_init(&xf, &s, &x->sigs, x->g, "copying");
	xf.total = x->size;
	e.user = &r;
	rc = extract_tar(&e, err);
	progress_end(&xf.progress);
	if (xf.signal)
		return CMD_EXIT_SIGNAL + xf.signal;
	if (rc < 0)
		return err_context(err, "%s:%s", x->src.sandbox, x->src.path);
	if (!e.nr_refused)
		return 0;
	err_set(err, ERR_FAILED, "%s:%s: %llu of its entries left out",
		x->src.sandbox, x->src.path, (unsigned long long)e.nr_refused);
	return err_hint(err, "`podflare cp %s:%s - | tar -x` takes them, if "
			"you trust the sandbox", x->src.sandbox, x->src.path);
}

static int put_stdin(struct xfer *xf, struct err *err)
{
	static uint8_t data[FRAME_DATA_MAX];
	ssize_t n;

	for (;;) {
		if (xfer_wait_input(xf, STDIN_FILENO, err) < 0)
			return -1;
		n = TEMP_FAILURE_RETRY(read(STDIN_FILENO, data, sizeof(data)));
		if (n == 0)
			return 0;
		if (n < 0)
			return err_sys(err, errno, "standard input");
		if (xfer_send(xf, data, (size_t)n, err) < 0)
			return -1;
	}
}

/* PATH or "-" -> SB:PATH */
static int put(struct copy *x, struct err *err)
{
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	json_t *params = json_pack("{s:s, s:s}", "sandbox", x->dst.sandbox,
				   "path", x->plan.folder);
	struct xfer xf;
	int rc;

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8",
			       x->plan.folder);
	if (client_stream(&x->c, "files.put", params, &s, err) < 0)
		return -1;
	xfer_init(&xf, &s, &x->sigs, x->g, "copying");
	xf.total = x->size;
	rc = xfer_expect_ok(&xf, err);
	if (rc == 0)
		rc = x->src.stdio ? put_stdin(&xf, err)
				  : pack_tree(&xf, x->g, x->src.path,
					      x->plan.name, x->src_follow, err);
	if (rc == 0)
		rc = xfer_finish(&xf, err);
	progress_end(&xf.progress);
	if (xf.signal)
		return CMD_EXIT_SIGNAL + xf.signal;
	if (rc < 0)
		return err_context(err, "%s:%s", x->dst.sandbox, x->dst.path);
	return 0;
}

static int check_sides(const struct copy *x, struct err *err)
{
	if (x->src.sandbox && x->dst.sandbox) {
		err_set(err, ERR_USAGE, "cp: from one sandbox into another");
		return err_hint(err, "`podflare cp %s:%s - | podflare cp - "
				"%s:FOLDER`", x->src.sandbox, x->src.path,
				x->dst.sandbox);
	}
	if (!x->src.sandbox && !x->dst.sandbox) {
		err_set(err, ERR_USAGE, "cp: neither side is in a sandbox");
		return err_hint(err, "write SANDBOX:PATH on one side");
	}
	return 0;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	struct copy x = { .g = ctx->globals,
			  .o = ctx->opts,
			  .c = CLIENT_INIT,
			  .sigs = SIGS_INIT };
	int rc;

	rc = cp_end_parse(ctx->argv[0], &x.src, err);
	if (rc == 0)
		rc = cp_end_parse(ctx->argv[1], &x.dst, err);
	if (rc == 0)
		rc = check_sides(&x, err);
	if (rc == 0)
		rc = client_open(&x.c, x.g, err);
	if (rc == 0)
		rc = make_plan(&x, err);
	if (rc == 0)
		rc = sigs_open(&x.sigs, err);
	if (rc == 0 && x.dst.sandbox)
		rc = put(&x, err);
	else if (rc == 0)
		rc = x.dst.stdio ? get_to_stdout(&x, err)
				 : get_to_files(&x, err);
	client_close(&x.c);
	sigs_close(&x.sigs);
	cp_plan_free(&x.plan);
	cp_end_free(&x.src);
	cp_end_free(&x.dst);
	return rc;
}

const struct cmd cmd_cp = {
	.name = "cp",
	.summary = "Copy files into a sandbox or out of it",
	.operands = "SRC DST",
	.opts = options,
	.opts_size = sizeof(struct opts),
	.min = 2,
	.max = 2,
	.flags = CMD_SIGNALS,
	.run = run,
};
