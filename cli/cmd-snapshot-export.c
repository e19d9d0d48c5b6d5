/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-snapshot-export.c - podflare snapshot export
 *
 * Runs in the CLI.  What comes is written as it is; its end is told by a frame of
 * its own, so that a file which is not whole never gets its name.
 *
 * Theory of operation: a regular file is written without a name (or, where the file
 * system knows no such files, under another one), synced, and named in the end;
 * anything else, a pipe or a device, is written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/host.h"
#include "cli/outfd.h"
#include "cli/output.h"
#include "cli/session-frame.h"
#include "cli/sigs.h"
#include "common/agent.h"
#include "common/cleanup.h"

struct target {
	const char *file;	/* as it was given */
	char tmp[PATH_MAX];	/* its name until it is whole; "": none */
	int fd;
	bool rename;
	bool nameless;
	struct outfd out;
};

struct transfer {
	struct globals *globals;
	struct sigs sigs;
	struct progress progress;
	struct target to;
	uint64_t done;
};

static int make_named(struct target *t, struct err *err)
{
	t->fd = mkostemp(t->tmp, O_CLOEXEC);
	if (t->fd >= 0)
		return 0;
	t->tmp[0] = '\0';
	return err_sys(err, errno, "%s", t->file);
}

static int target_open(struct target *t, struct err *err)
{
	char dir[PATH_MAX], *slash;
	struct stat st;

	t->fd = STDOUT_FILENO;
	if (strcmp(t->file, "-") == 0)
		return 0;
	if (stat(t->file, &st) == 0 && !S_ISREG(st.st_mode)) {
		t->fd = open(t->file, O_WRONLY | O_CLOEXEC);
		return t->fd < 0 ? err_sys(err, errno, "%s", t->file) : 0;
	}
	t->rename = true;
	if (snprintf(t->tmp, sizeof(t->tmp), "%s.XXXXXX", t->file) >=
	    (int)sizeof(t->tmp))
		return err_sys(err, ENAMETOOLONG, "%s", t->file);
	snprintf(dir, sizeof(dir), "%s", t->file);
	slash = strrchr(dir, '/');
	if (slash)
		slash[1] = '\0';
	else
		strcpy(dir, ".");
	t->fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (t->fd < 0)
		return make_named(t, err);
	t->nameless = true;
	return 0;
}

static void target_close(struct target *t)
{
	outfd_close(&t->out);
	if (t->tmp[0] && !t->nameless)
		unlink(t->tmp);
	if (t->fd > STDERR_FILENO)
		close(t->fd);
}

/* What was written without a name gets one. Return: 0, or -1 with errno. */
static int give_name(struct target *t)
{
	char self[32], *end = t->tmp + strlen(t->tmp) - 6;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", t->fd);
	for (unsigned int i = 0; i < 1000000; i++) {
		snprintf(end, 7, "%06u", i);
		if (linkat(AT_FDCWD, self, AT_FDCWD, t->tmp,
			   AT_SYMLINK_FOLLOW) == 0) {
			t->nameless = false;
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return -1;
}

static int target_finish(struct target *t, struct err *err)
{
	if (!t->rename)
		return 0;
	if (fsync(t->fd) < 0 || (t->nameless && give_name(t) < 0) ||
	    rename(t->tmp, t->file) < 0)
		return err_sys(err, errno, "%s", t->file);
	t->tmp[0] = '\0';
	return 0;
}

/* Until @fd is ready. Return: 0, or -1 with @err: interrupted. */
static int await(struct transfer *x, int fd, short events, struct err *err)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = events },
				       { .fd = x->sigs.fd, .events = POLLIN } };
		int n = poll(p, 2, progress_timeout(&x->progress));

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		progress_tick(&x->progress);
		if (n > 0 && p[1].revents) {
			x->globals->signal = sigs_read(&x->sigs);
			return err_set(err, ERR_CANCELLED, "interrupted");
		}
		if (n > 0 && p[0].revents)
			return 0;
	}
}

/* Return: 0, 1 when the reader is gone, or -1 with @err. */
static int put(struct transfer *x, const struct frame *f, struct err *err)
{
	struct outfd *o = &x->to.out;

	if (buf_append(&o->pending, f->data, f->len) < 0)
		return err_sys(err, errno, "export");
	while (o->pending.len) {
		if (await(x, o->fd, POLLOUT, err) < 0)
			return -1;
		if (outfd_flush(o) == 0)
			continue;
		return errno == EPIPE ? 1 : err_sys(err, errno, "%s",
						    x->to.file);
	}
	x->done += f->len;
	progress_bytes(&x->progress, "exporting", x->done, 0);
	return 0;
}

static int next_frame(struct transfer *x, struct stream *s, struct frame *f,
		      struct err *err)
{
	int rc;
	ssize_t n;

	while ((rc = frame_next(&s->in, f)) == 0) {
		if (await(x, s->fd, POLLIN, err) < 0)
			return -1;
		n = frame_fill(&s->in, s->fd);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, errno, "stream");
		if (n == 0) {
			err_set(err, ERR_UNAVAILABLE, "it was cut short");
			return err_hint(err, "%s", host_lost_hint());
		}
	}
	return rc < 0 ? err_set(err, ERR_PROTOCOL, "not a frame") : 0;
}

static int copy(struct transfer *x, struct stream *s, struct err *err)
{
	struct frame f;
	int rc;

	for (;;) {
		if (next_frame(x, s, &f, err) < 0)
			return -1;
		if (f.type == AGENT_ERROR)
			return frame_error_plain(&f, err);
		if (f.type == AGENT_END)
			return 0;
		if (f.type != AGENT_DATA)
			return err_set(err, ERR_PROTOCOL,
				       "unexpected frame %u", f.type);
		rc = put(x, &f, err);
		if (rc)
			return rc < 0 ? -1 : CMD_EXIT_PIPE;
	}
}

static int export(struct transfer *x, const char *snapshot, struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_STREAM struct stream s = STREAM_INIT;
	json_t *params = json_pack("{s:s}", "snapshot", snapshot);
	int rc;

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", snapshot);
	if (client_open(&c, x->globals, err) < 0) {
		json_decref(params);
		return -1;
	}
	c.interrupt_fd = x->sigs.fd;
	if (client_stream(&c, "snapshot.export", params, &s, err) < 0) {
		if (err->code == ERR_CANCELLED)
			x->globals->signal = sigs_read(&x->sigs);
		return -1;
	}
	if (target_open(&x->to, err) < 0)
		return -1;
	outfd_open(&x->to.out, x->to.fd);
	progress_start(&x->progress, x->globals);
	progress_bytes(&x->progress, "exporting", 0, 0);
	rc = copy(x, &s, err);
	progress_end(&x->progress);
	if (rc == 0)
		rc = target_finish(&x->to, err);
	if (rc < 0)
		err_context(err, "snapshot %s: not exported", snapshot);
	return rc;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	struct transfer x = {
		.globals = ctx->globals, .sigs = SIGS_INIT,
		.to = { .file = ctx->argc > 1 ? ctx->argv[1] : "-", .fd = -1,
			.out = { .fd = -1 } },
	};
	int rc;

	if (strcmp(x.to.file, "-") == 0 && isatty(STDOUT_FILENO)) {
		err_set(err, ERR_USAGE, "snapshot export: standard output is a "
			"terminal");
		return err_hint(err, "podflare snapshot export %s FILE",
				ctx->argv[0]);
	}
	if (sigs_open_ending(&x.sigs, err) < 0)
		return -1;
	rc = export(&x, ctx->argv[0], err);
	target_close(&x.to);
	sigs_close(&x.sigs);
	return rc;
}

const struct cmd cmd_snapshot_export = {
	.name = "export",
	.summary = "Write a snapshot to one file (-: standard output)",
	.operands = "SNAPSHOT [FILE|-]",
	.min = 1,
	.max = 2,
	.flags = CMD_SIGNALS,
	.run = run,
};
