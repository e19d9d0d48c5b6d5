/* SPDX-License-Identifier: MIT */
/*
 * cli/image-deb.c - the kernel and its modules out of a Debian package
 *
 * Runs in the CLI.  The package's digest was checked by apt; all the same only
 * regular files with plain names are taken, into one flat folder.
 *
 * A package (deb(5)) is an ar archive with a member data.tar, data.tar.xz, ...:
 * one libarchive reader feeds another.
 */
#include "cli/image-deb.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/image-unpack.h"
#include "common/cleanup.h"

#define CHUNK (128 * KIB)

struct deb {
	struct archive *outer;
	struct job *job;
	struct err *err;
	const char *path;
	int dirfd;
	bool kernel;		/* one was found */
	char chunk[CHUNK];
};

static int bad(struct deb *d, struct archive *a)
{
	const char *why = archive_error_string(a);

	err_set(d->err, ERR_USAGE, "%s: not a whole Debian package: %s",
		d->path, why ? why : "no data.tar in it");
	return err_hint(d->err, "remove that file; it will be fetched again");
}

static la_ssize_t read_outer(struct archive *inner, void *data,
			     const void **out)
{
	struct deb *d = data;
	la_ssize_t n = archive_read_data(d->outer, d->chunk, CHUNK);

	if (n < 0)
		archive_set_error(inner, EIO, "%s",
				  archive_error_string(d->outer));
	*out = d->chunk;
	return n;
}

/* Where an entry goes: "" when it is of no interest. */
static void target(const char *path, char *out, size_t size)
{
	const char *base;

	out[0] = '\0';
	path += strncmp(path, "./", 2) ? 0 : 2;
	path += strncmp(path, "usr/", 4) ? 0 : 4;
	base = strrchr(path, '/');
	if (!base || base[1] == '.' || !base[1])
		return;
	base++;
	if (!strncmp(path, "boot/vmlinuz-", 13))
		snprintf(out, size, "vmlinuz");
	else if (!strncmp(path, "lib/modules/", 12) &&
		 (strstr(base, ".ko") || !strcmp(base, "modules.builtin")))
		snprintf(out, size, "modules/%s", base);
}

static int write_entry(struct deb *d, struct archive *a, const char *name)
{
	CLEANUP_FD int fd = openat(d->dirfd, name,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
					   O_CLOEXEC, 0644);

	if (fd < 0)
		return err_sys(d->err, errno, "%s", name);
	if (archive_read_data_into_fd(a, fd) != ARCHIVE_OK)
		return archive_errno(a) == ENOSPC
			? err_sys(d->err, ENOSPC, "%s", name) : bad(d, a);
	return 0;
}

static int read_tar(struct deb *d, struct archive *a)
{
	struct archive_entry *e;
	char name[256];
	int rc;

	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
		if (job_wait_fd(d->job, -1, 0, d->err) < 0)
			return -1;
		if (archive_entry_filetype(e) != AE_IFREG)
			continue;
		target(archive_entry_pathname(e), name, sizeof(name));
		if (!name[0])
			continue;
		if (write_entry(d, a, name) < 0)
			return -1;
		d->kernel |= !strcmp(name, "vmlinuz");
	}
	return rc == ARCHIVE_EOF ? 0 : bad(d, a);
}

static int read_member(struct deb *d)
{
	struct archive *a = archive_read_new();
	int rc;

	if (!a)
		return err_sys(d->err, ENOMEM, "%s", d->path);
	unpack_enable_tar(a);
	rc = archive_read_open(a, d, NULL, read_outer, NULL) == ARCHIVE_OK
		? read_tar(d, a) : bad(d, a);
	archive_read_free(a);
	return rc;
}

static int read_deb(struct deb *d)
{
	struct archive_entry *e;

	if (archive_read_support_filter_none(d->outer) != ARCHIVE_OK ||
	    archive_read_support_format_ar(d->outer) != ARCHIVE_OK ||
	    archive_read_open_filename(d->outer, d->path, CHUNK) != ARCHIVE_OK)
		return bad(d, d->outer);
	while (archive_read_next_header(d->outer, &e) == ARCHIVE_OK)
		if (!strncmp(archive_entry_pathname(e), "data.tar", 8))
			return read_member(d);
	return bad(d, d->outer);
}

/* See image-deb.h. */
int deb_unpack_kernel(const char *deb, int dirfd, struct job *j,
		      struct err *err)
{
	struct deb *d = calloc(1, sizeof(*d));
	int rc;

	if (!d || mkdirat(dirfd, "modules", 0700) < 0) {
		rc = err_sys(err, d ? errno : ENOMEM, "%s", deb);
		free(d);
		return rc;
	}
	d->job = j;
	d->err = err;
	d->path = deb;
	d->dirfd = dirfd;
	d->outer = archive_read_new();
	rc = d->outer ? read_deb(d) : err_sys(err, ENOMEM, "%s", deb);
	if (rc == 0 && !d->kernel)
		rc = err_set(err, ERR_USAGE, "%s: no kernel in this package",
			     deb);
	archive_read_free(d->outer);
	free(d);
	return rc;
}
