/* SPDX-License-Identifier: MIT */
/*
 * cli/image-root.c - a recipe's root file system, by mmdebstrap
 *
 * Runs in the CLI.  Packages' scripts and the recipe's steps run in mmdebstrap's
 * namespaces (as an ordinary user: under other user ids); what comes back is a
 * tar stream, which image-base.c distrusts.
 *
 * Theory of operation: package lists and archives are copied in from our own
 * apt (image-apt.h) by hooks, the archives copied out again; apt does not update
 * anything itself.  So a build with all archives at hand needs no network.
 */
#include "cli/image-root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/image-base.h"
#include "common/cleanup.h"

struct root {
	const struct recipe *r;
	struct job_proc *p;
	unsigned int packages;	/* to be set up */
	unsigned int done;	/* packages unpacked and packages set up */
	const char *phase;	/* whose packages they are, NULL: a step's */
	unsigned int failed;	/* this step (from 1), with this exit code */
	int code;
	int owner;		/* the file whose owner is unknown, -1 */
};

static const struct {
	const char *begin;	/* of mmdebstrap's own lines, behind "I: " */
	const char *text;
} phases[] = {
	{ "downloading packages", "fetching packages" },
	{ "extracting archives", "unpacking the essential packages" },
	{ "installing essential", "installing the essential packages" },
	{ "installing remaining", "installing packages" },
	{ "running special hook: sync-in", "copying cached packages in" },
	{ "running special hook: sync-out", "keeping packages for next time" },
	{ "cleaning package lists", "cleaning up" },
	{ "creating tarball", "writing the root file system" },
};

static bool begins(const char *line, const char *word)
{
	return !strncmp(line, word, strlen(word));
}

/*
 * "0 upgraded, 12 newly installed, ...", then "Get:1 ..." to "Get:12 ...", and
 * "Unpacking x ..." and "Setting up x ..." for each of them.
 */
static bool package_line(struct job *j, struct root *root, const char *line)
{
	unsigned int n;

	if (sscanf(line, "%*u upgraded, %u newly installed", &n) == 1) {
		root->packages = n;
		root->done = 0;
		return true;
	}
	if (sscanf(line, "Get:%u ", &n) == 1) {
		if (root->packages && root->phase)
			progress_step(&j->progress, "fetching packages",
				      (int)(MIN(n, root->packages) * 100ULL /
					    root->packages));
		return true;
	}
	if (!begins(line, "Unpacking ") && !begins(line, "Setting up "))
		return false;
	root->done++;
	if (root->packages && root->phase)
		progress_step(&j->progress, root->phase,
			      (int)MIN(root->done * 50ULL / root->packages,
				       99ULL));
	return true;
}

static int first_line(const char *cmd)
{
	return (int)MIN(strcspn(cmd, "\n"), (size_t)80);
}

static void watch(struct job *j, const char *line)
{
	struct root *root = j->data;
	const char *cmd;
	char text[128];
	unsigned int n;
	int code;

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (begins(line, "I: ") && begins(line + 3, phases[i].begin)) {
			root->phase = phases[i].text;
			root->done = 0;
			progress_step(&j->progress, root->phase, -1);
		}
	if (package_line(j, root, line))
		return;
	if (sscanf(line, "podflare-step %u", &n) == 1 && n &&
	    n <= root->r->run.n) {
		cmd = root->r->run.v[n - 1];
		snprintf(text, sizeof(text), "running step %u of %zu: %.*s", n,
			 root->r->run.n, first_line(cmd), cmd);
		progress_step(&j->progress, text, -1);
		root->phase = NULL;
		root->p->lines = 0;
	}
	if (sscanf(line, "podflare-failed %u %d", &n, &code) == 2) {
		root->failed = n;
		root->code = code;
	} else if (sscanf(line, "podflare-owner %u", &n) == 1 &&
		   n < root->r->nr_files) {
		root->owner = (int)n;
	} else {
		return;
	}
	/* why it failed has been said; what follows is mmdebstrap's own */
	root->p->lines--;
	root->p->closed = true;
}

/* What mmdebstrap's exit status does not say. */
static int explain(const struct root *root, struct err *err)
{
	const struct recipe *r = root->r;

	if (!err || err->code != ERR_FAILED)
		return -1;
	if (root->failed && root->failed <= r->run.n)
		return err_set(err, ERR_FAILED,
			       "%s: run: step %u (%.*s): exit status %d",
			       r->file, root->failed,
			       first_line(r->run.v[root->failed - 1]),
			       r->run.v[root->failed - 1], root->code);
	if (root->owner >= 0)
		return err_set(err, ERR_FAILED,
			       "%s:%d: files: owner %s: no such user or group "
			       "in the image", r->file,
			       r->files[root->owner].line,
			       r->files[root->owner].owner);
	return -1;
}

struct words {
	struct buf store[16];
	const char *argv[32];
	size_t n, stored;
};

static void word(struct words *w, const char *text)
{
	w->argv[w->n++] = text;
}

static void hook(struct words *w, const char *when, const char *what,
		 const char *arg1, const char *arg2)
{
	struct buf *b = &w->store[w->stored++];

	buf_printf(b, "--%s-hook=%s ", when, what);
	root_quote(b, arg1);
	buf_printf(b, " ");
	root_quote(b, arg2);
	word(w, buf_str(b));
}

static void packages(struct words *w, const struct recipe *r)
{
	struct buf *b = &w->store[w->stored++];

	if (!r->packages.n)
		return;
	buf_printf(b, "--include=");
	for (size_t i = 0; i < r->packages.n; i++)
		buf_printf(b, "%s%s", i ? "," : "", r->packages.v[i]);
	word(w, buf_str(b));
}

/* Only what a build needs of our environment goes into the steps. */
#define STEPS_HOOK \
	"--customize-hook=env -i PATH=/usr/local/sbin:/usr/local/bin:" \
	"/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 " \
	"DEBIAN_FRONTEND=noninteractive " \
	"${http_proxy:+http_proxy=\"$http_proxy\"} " \
	"${https_proxy:+https_proxy=\"$https_proxy\"} " \
	"${no_proxy:+no_proxy=\"$no_proxy\"} " \
	"/usr/sbin/chroot \"$1\" /bin/sh /podflare-build/steps"

static void command(struct words *w, const struct recipe *r,
		    const struct apt *a, const char *setup, const char *steps)
{
	word(w, "mmdebstrap");
	word(w, geteuid() ? "--mode=unshare" : "--mode=root");
	word(w, "--verbose");
	word(w, "--variant=minbase");
	word(w, "--format=tar");
	word(w, "--skip=update,download/empty,essential/unlink,"
		"check/signed-by");
	packages(w, r);
	hook(w, "setup", "tar-in", setup, "/");
	hook(w, "setup", "sync-in", a->lists, "/var/lib/apt/lists");
	hook(w, "setup", "sync-in", a->archives, "/var/cache/apt/archives");
	hook(w, "customize", "sync-out", "/var/cache/apt/archives",
	     a->archives);
	hook(w, "customize", "tar-in", steps, "/");
	word(w, STEPS_HOOK);
	word(w, r->suite);
	word(w, "-");
	word(w, "-");
	word(w, NULL);
}

/* The sources may hold passwords: by a file without a name, not by argv. */
static int sources_fd(const struct apt *a, struct err *err)
{
	CLEANUP_FD int fd = memfd_create("sources", MFD_CLOEXEC);

	if (fd < 0 ||
	    write(fd, a->sources.data, a->sources.len) !=
		    (ssize_t)a->sources.len ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "memfd");
	return steal_fd(&fd);
}

static int run(struct words *w, struct root *root, struct apt *a,
	       struct job *j, const char *path, struct err *err)
{
	struct job_proc p = { .name = "mmdebstrap", .line = watch,
			      .pidfd = -1, .output = -1 };
	CLEANUP_FD int in = sources_fd(a, err);
	struct proc_spawn s = { .argv = w->argv };
	CLEANUP_FD int rd = -1;
	CLEANUP_FD int wr = -1;
	struct err other = ERR_INIT;
	int fds[2], rc;

	if (in < 0)
		return -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = fds[0];
	wr = fds[1];
	root->p = &p;
	fcntl(rd, F_SETPIPE_SZ, (int)MIB);
	s.fds[0] = in;
	s.fds[1] = wr;
	j->data = root;
	rc = job_spawn(j, &p, &s, err);
	close(steal_fd(&wr));
	if (rc == 0) {
		rc = base_write(j, rd, 0, BASE_BUILT, path, &other);
		close(steal_fd(&rd));
		/* what is wrong with the stream is mmdebstrap's fault: it
		 * knows why; all else is not */
		if (rc < 0 && other.code != ERR_USAGE)
			*err = other;
		else if (job_wait(j, &p, err) < 0)
			rc = explain(root, err);
		else if (rc < 0)
			*err = other;
	}
	job_stop(j, &p);
	job_forget(j, &p);
	j->data = NULL;
	return rc;
}

/* See image-root.h. */
int root_build(const struct recipe *r, struct apt *a, struct job *j,
	       const char *tmp, const char *path, struct err *err)
{
	struct root root = { .r = r, .owner = -1 };
	CLEANUP_FREE char *setup = NULL;
	CLEANUP_FREE char *steps = NULL;
	struct words *w;
	int rc;

	if (asprintf(&setup, "%s/setup.tar", tmp) < 0 ||
	    asprintf(&steps, "%s/steps.tar", tmp) < 0)
		return err_sys(err, ENOMEM, "mmdebstrap");
	if (root_write_archives(r, a, setup, steps, err) < 0)
		return -1;
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_sys(err, ENOMEM, "mmdebstrap");
	command(w, r, a, setup, steps);
	rc = run(w, &root, a, j, path, err);
	for (size_t i = 0; i < w->stored; i++)
		buf_free(&w->store[i]);
	free(w);
	return rc;
}
