/* SPDX-License-Identifier: MIT */
/*
 * cli/image-root-tar.c - what a new root file system is given from outside
 *
 * Runs in the CLI.  Archives, since mmdebstrap's own processes run as other user
 * ids and cannot read this user's private files; it passes an archive on itself.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <archive.h>

#include "cli/image-files.h"
#include "cli/image-root.h"
#include "cli/image-sources.h"
#include "common/cleanup.h"

#define BUILD_DIR "podflare-build"	/* in the image, while it is made */

/* See image-root.h. */
void root_quote(struct buf *out, const char *text)
{
	buf_printf(out, "'");
	for (; *text; text++) {
		if (*text == '\'')
			buf_printf(out, "'\\''");
		else
			buf_append(out, text, 1);
	}
	buf_printf(out, "'");
}

static void put_owners(const struct recipe *r, struct buf *out)
{
	for (size_t i = 0; i < r->nr_files; i++) {
		if (!r->files[i].owner)
			continue;
		buf_printf(out, "xargs -0 chown -h -- ");
		root_quote(out, r->files[i].owner);
		buf_printf(out, " </" BUILD_DIR "/owner-%zu || "
			   "{ echo 'podflare-owner %zu' >&2; exit 1; }\n", i,
			   i);
	}
}

/* See image-root.h. */
void root_put_script(const struct recipe *r, struct buf *out)
{
	/* files may be owned by users that the steps make: owners come last */
	buf_printf(out, "umask 022\n");
	for (size_t i = 0; i < r->env.n; i++) {
		const char *eq = strchr(r->env.v[i], '=');

		buf_printf(out, "export %.*s=", (int)(eq - r->env.v[i]),
			   r->env.v[i]);
		root_quote(out, eq + 1);
		buf_printf(out, "\n");
	}
	if (r->workdir) {
		buf_printf(out, "mkdir -p -- ");
		root_quote(out, r->workdir);
		buf_printf(out, " || exit 1\n");
	}
	for (size_t i = 0; i < r->run.n; i++) {
		buf_printf(out, "echo 'podflare-step %zu' >&2\n(cd -- ",
			   i + 1);
		root_quote(out, r->workdir ? r->workdir : "/");
		buf_printf(out, " && exec /bin/sh -e /" BUILD_DIR "/%zu) || "
			   "{ echo \"podflare-failed %zu $?\" >&2; exit 1; }\n",
			   i + 1, i + 1);
	}
	put_owners(r, out);
}

static int put_text(struct archive *a, const char *path, struct buf *text,
		    struct err *err)
{
	return files_put(a, path, S_IFREG | 0644, text->data, text->len, err);
}

static int put_setup(struct apt *apt, struct archive *a, struct err *err)
{
	static const char lean[] = "path-exclude=/usr/share/doc/*\n"
				   "path-include=/usr/share/doc/*/copyright\n"
				   "path-exclude=/usr/share/info/*\n"
				   "path-exclude=/usr/share/locale/*\n"
				   "path-include=/usr/share/locale/locale.alias\n"
				   "path-exclude=/usr/share/man/*\n";

	if (files_put(a, "var/cache/apt/archives", S_IFDIR | 0755, NULL, 0,
		      err) < 0 ||
	    files_put(a, "etc/dpkg/dpkg.cfg.d/98podflare", S_IFREG | 0644,
		      lean, sizeof(lean) - 1, err) < 0)
		return -1;
	return put_text(a, "etc/apt/apt.conf.d/98podflare", &apt->fetch, err);
}

/* What an item of files became: its owner gets these and nothing else. */
static int put_paths(const struct recipe *r, size_t i, struct archive *a,
		     struct err *err)
{
	CLEANUP_BUF struct buf paths = BUF_INIT;
	char name[64];

	snprintf(name, sizeof(name), BUILD_DIR "/owner-%zu", i);
	if (files_paths(r, i, &paths, err) < 0)
		return -1;
	return put_text(a, name, &paths, err);
}

static int put_steps(const struct recipe *r, struct apt *apt,
		     struct archive *a, struct err *err)
{
	CLEANUP_BUF struct buf sources = BUF_INIT;
	CLEANUP_BUF struct buf script = BUF_INIT;
	char path[64];

	sources_scrub(buf_str(&apt->sources), &sources);
	if (sources.len &&
	    put_text(a, "etc/apt/sources.list.d/debian.sources", &sources,
		     err) < 0)
		return -1;
	if (files_archive(r, a, err) < 0)
		return -1;
	for (size_t i = 0; i < r->run.n; i++) {
		snprintf(path, sizeof(path), BUILD_DIR "/%zu", i + 1);
		if (files_put(a, path, S_IFREG | 0755, r->run.v[i],
			      strlen(r->run.v[i]), err) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->nr_files; i++)
		if (r->files[i].owner && put_paths(r, i, a, err) < 0)
			return -1;
	root_put_script(r, &script);
	return put_text(a, BUILD_DIR "/steps", &script, err);
}

static int write_archive(const struct recipe *r, struct apt *apt,
			 const char *path, struct err *err)
{
	struct archive *a = archive_write_new();
	int rc;

	if (!a)
		return err_sys(err, ENOMEM, "%s", path);
	archive_write_add_filter_none(a);
	/* names are bytes there, of any length */
	archive_write_set_format_gnutar(a);
	if (archive_write_open_filename(a, path) != ARCHIVE_OK)
		rc = err_sys(err, archive_errno(a), "%s", path);
	else
		rc = r ? put_steps(r, apt, a, err) : put_setup(apt, a, err);
	if (archive_write_close(a) != ARCHIVE_OK && rc == 0)
		rc = err_sys(err, archive_errno(a), "%s", path);
	archive_write_free(a);
	return rc;
}

/* See image-root.h. */
int root_write_archives(const struct recipe *r, struct apt *a,
			const char *setup, const char *steps, struct err *err)
{
	if (write_archive(NULL, a, setup, err) < 0)
		return -1;
	return write_archive(r, a, steps, err);
}
