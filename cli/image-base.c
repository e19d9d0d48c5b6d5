/* SPDX-License-Identifier: MIT */
/*
 * cli/image-base.c - a tar stream becomes an image's root file system
 *
 * Runs in the CLI.  Distrusts the stream: names are checked and cleaned, the
 * filters are named one by one, nothing is ever unpacked on the host.
 *
 * Theory of operation: libarchive reads the stream and writes another one into
 * a pipe to mksquashfs, entry by entry; what does not belong into an image is
 * left out on the way, what must be there is added at the end.  Both ends wait in
 * job_wait_fd(), so that helper programs, progress and Ctrl-C are served.
 */
#include "cli/image-base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/image-unpack.h"
#include "common/cleanup.h"

#define CHUNK (256 * KIB)

/* What every root file system has; added where it is missing. */
static const struct {
	const char *path;
	unsigned int mode;
	const char *text;	/* NULL: a folder */
	bool always;		/* the stream's own was left out */
} musts[] = {
	{ "dev", 0755, NULL, false },
	{ "etc", 0755, NULL, false },
	{ "proc", 0555, NULL, false },
	{ "root", 0700, NULL, false },
	{ "run", 0755, NULL, false },
	{ "sys", 0555, NULL, false },
	{ "tmp", 01777, NULL, false },
	{ "etc/hostname", 0644, "localhost\n", true },
	{ "etc/machine-id", 0444, "", true },
	{ "etc/resolv.conf", 0644, "", true },
	{ "etc/group", 0644, "root:x:0:\n", false },
	{ "etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\n", false },
	{ "etc/hosts", 0644,
	  "127.0.0.1\tlocalhost\n"
	  "::1\tlocalhost ip6-localhost ip6-loopback\n", false },
};

struct base {
	struct job *job;
	struct archive *in, *out;
	struct job_proc squash;
	struct err *err;	/* of a callback */
	int in_fd, out_fd;
	uint64_t bytes, total;
	uint64_t entries;
	bool stopped;		/* nothing can be written any more */
	bool broken_pipe;
	bool seen[ARRAY_SIZE(musts)];
	bool has_programs;	/* bin or usr */
	char *chunk;		/* of the stream */
	char *data;		/* of a file */
};

static la_ssize_t read_in(struct archive *a, void *data, const void **out)
{
	struct base *b = data;
	ssize_t n;

	if (job_wait_fd(b->job, b->in_fd, POLLIN, b->err) < 0) {
		archive_set_error(a, ECANCELED, "interrupted");
		return -1;
	}
	n = TEMP_FAILURE_RETRY(read(b->in_fd, b->chunk, CHUNK));
	if (n < 0)
		archive_set_error(a, errno, "%s", strerror(errno));
	if (n > 0 && !b->bytes && !b->total)
		progress_step(&b->job->progress,
			      "writing the root file system", -1);
	b->bytes += n > 0 ? (uint64_t)n : 0;
	if (n > 0)
		progress_bytes(&b->job->progress,
			       "writing the root file system", b->bytes,
			       b->total);
	*out = b->chunk;
	return n;
}

/* libarchive leaks memory when this fails, so that it does not: see wrote(). */
static la_ssize_t write_out(struct archive *a, void *data, const void *from,
			    size_t len)
{
	struct base *b = data;
	ssize_t n;

	while (!b->stopped) {
		if (job_wait_fd(b->job, b->out_fd, POLLOUT, b->err) < 0) {
			b->stopped = true;
			break;
		}
		n = write(b->out_fd, from, len);
		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			b->stopped = b->broken_pipe = true;
	}
	return (la_ssize_t)len;
}

static bool wrote(const struct base *b, bool ok)
{
	return ok && !b->stopped;
}

static int bad_input(struct base *b, const char *why)
{
	if (b->err->code != ERR_NONE)
		return -1;
	err_set(b->err, ERR_USAGE, "not a whole tar archive: %s",
		why ? why : "it cannot be read");
	return err_hint(b->err, "it may be plain, or packed by gzip, xz or "
			"zstd");
}

static int failed_output(struct base *b)
{
	const char *why = archive_error_string(b->out);

	if (b->err->code == ERR_NONE)
		err_set(b->err, ERR_FAILED, "mksquashfs: %s",
			why ? why : "it ended early");
	return -1;
}

/* Holes are read as zeros, which mksquashfs makes holes again. */
static int copy_data(struct base *b)
{
	la_ssize_t n;

	while ((n = archive_read_data(b->in, b->data, CHUNK)) > 0)
		if (!wrote(b, archive_write_data(b->out, b->data,
						 (size_t)n) == n))
			return failed_output(b);
	return n == 0 ? 0 : bad_input(b, archive_error_string(b->in));
}

static void note(struct base *b, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(musts); i++)
		if (!strcmp(path, musts[i].path))
			b->seen[i] = true;
	if (!strncmp(path, "bin", 3) || !strncmp(path, "usr", 3) ||
	    !strncmp(path, "sbin", 4))
		b->has_programs = true;
	b->entries++;
}

/* A hard link's target is a name of the stream as well. */
static int clean_link(struct base *b, struct archive_entry *e,
		      enum base_source source)
{
	const char *link = archive_entry_hardlink(e);
	char path[PATH_MAX];

	if (!link)
		return 0;
	if (base_fate(link, source, path, sizeof(path)) == BASE_BAD)
		return bad_input(b, "a hard link leads out of it");
	archive_entry_copy_hardlink(e, path);
	return 0;
}

static int copy_entry(struct base *b, struct archive_entry *e,
		      enum base_source source)
{
	char path[PATH_MAX];

	switch (base_fate(archive_entry_pathname(e), source, path,
			  sizeof(path))) {
	case BASE_KEEP:
		break;
	case BASE_DROP:
	case BASE_REPLACE:
		return 0;
	case BASE_BAD:
		return bad_input(b, "it holds a name with .. in it");
	}
	/* as container tools leave it behind */
	if (!strcmp(path, "etc/hosts") && archive_entry_size(e) == 0)
		return 0;
	note(b, path);
	if (!path[0])
		return 0;
	if (clean_link(b, e, source) < 0)
		return -1;
	archive_entry_copy_pathname(e, path);
	archive_entry_sparse_clear(e);
	if (!wrote(b, archive_write_header(b->out, e) >= ARCHIVE_WARN))
		return failed_output(b);
	return archive_entry_size(e) > 0 ? copy_data(b) : 0;
}

static int add_must(struct base *b, size_t i)
{
	struct archive_entry *e = archive_entry_new();
	const char *text = musts[i].text;
	int rc;

	if (!e)
		return err_sys(b->err, ENOMEM, "%s", musts[i].path);
	archive_entry_set_pathname(e, musts[i].path);
	archive_entry_set_filetype(e, text ? AE_IFREG : AE_IFDIR);
	archive_entry_set_perm(e, (mode_t)musts[i].mode);
	archive_entry_set_size(e, text ? (la_int64_t)strlen(text) : 0);
	archive_entry_set_mtime(e, time(NULL), 0);
	rc = archive_write_header(b->out, e);
	archive_entry_free(e);
	if (!wrote(b, rc >= ARCHIVE_WARN &&
		   (!text || !*text ||
		    archive_write_data(b->out, text, strlen(text)) >= 0)))
		return failed_output(b);
	return 0;
}

static int copy_all(struct base *b, enum base_source source)
{
	struct archive_entry *e;
	int rc;

	/* a name that is no text in our locale is a warning: it is kept */
	while ((rc = archive_read_next_header(b->in, &e)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN)
		if (copy_entry(b, e, source) < 0)
			return -1;
	if (rc != ARCHIVE_EOF)
		return bad_input(b, archive_error_string(b->in));
	if (!b->entries)
		return bad_input(b, "it is empty");
	if (!b->has_programs) {
		err_set(b->err, ERR_USAGE, "not a root file system: neither "
			"/bin nor /usr is in it");
		return err_hint(b->err, "an archive that `docker save` or an "
				"OCI tool wrote holds layers; `docker export "
				"CONTAINER` writes a root file system");
	}
	for (size_t i = 0; i < ARRAY_SIZE(musts); i++)
		if ((!b->seen[i] || musts[i].always) && add_must(b, i) < 0)
			return -1;
	if (!wrote(b, archive_write_close(b->out) == ARCHIVE_OK))
		return failed_output(b);
	return 0;
}

static int open_archives(struct base *b)
{
	b->in = archive_read_new();
	b->out = archive_write_new();
	b->chunk = malloc(CHUNK);
	b->data = malloc(CHUNK);
	if (!b->in || !b->out || !b->chunk || !b->data)
		return err_sys(b->err, ENOMEM, "archive");
	unpack_enable_tar(b->in);
	archive_write_add_filter_none(b->out);
	archive_write_set_format_pax(b->out);
	/* names are bytes, and one flavour of extended attributes is enough */
	archive_write_set_option(b->out, "pax", "hdrcharset", "BINARY");
	archive_write_set_option(b->out, "pax", "xattrheader", "SCHILY");
	if (archive_write_open(b->out, b, NULL, write_out, NULL) != ARCHIVE_OK)
		return failed_output(b);
	if (archive_read_open(b->in, b, NULL, read_in, NULL) != ARCHIVE_OK)
		return bad_input(b, archive_error_string(b->in));
	return 0;
}

static int start_squash(struct base *b, const char *path)
{
	/* sqfstar reads no compressor options; mksquashfs takes them. With an
	 * export table overlayfs keeps inode numbers over a copy-up. */
	const char *const argv[] = { "mksquashfs", "-", path, "-tar", "-comp",
		"lz4", "-b", "128K", "-noappend", "-quiet", "-no-progress",
		"-exports", "-root-mode", "0755", "-root-uid", "0",
		"-root-gid", "0", NULL };
	struct proc_spawn s = { .argv = argv };
	CLEANUP_FD int rd = -1;
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(b->err, errno, "pipe");
	rd = fds[0];
	b->out_fd = fds[1];
	fcntl(b->out_fd, F_SETFL, O_NONBLOCK);
	fcntl(b->out_fd, F_SETPIPE_SZ, (int)MIB);
	s.fds[0] = rd;
	s.fds[1] = JOB_LOG;
	b->squash.name = "mksquashfs";
	rc = job_spawn(b->job, &b->squash, &s, b->err);
	return rc;
}

/* See image-base.h. */
int base_write(struct job *j, int fd, uint64_t total, enum base_source source,
	       const char *path, struct err *err)
{
	struct err own = ERR_INIT;
	struct base b = { .job = j, .squash = JOB_PROC_INIT, .in_fd = fd,
			  .err = err ? err : &own, .out_fd = -1,
			  .total = total };
	int rc;

	rc = start_squash(&b, path);
	if (rc == 0)
		rc = open_archives(&b);
	if (rc == 0)
		rc = copy_all(&b, source);
	if (rc == 0 || b.broken_pipe) {
		struct err why = ERR_INIT;

		close(steal_fd(&b.out_fd));
		/* why the pipe broke is what mksquashfs says */
		if (job_wait(j, &b.squash, &why) < 0) {
			*b.err = why;
			rc = -1;
		}
	}
	job_stop(j, &b.squash);
	job_forget(j, &b.squash);
	if (b.out_fd >= 0)
		close(b.out_fd);
	archive_read_free(b.in);
	archive_write_free(b.out);
	free(b.chunk);
	free(b.data);
	return rc;
}
