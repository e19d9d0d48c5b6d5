/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-pack.c - files of this host as a tar stream
 *
 * Runs in the CLI.  The tree is the user's, but may change while it is read:
 * a file that shrinks is filled up with zeros, one that grows is cut.
 *
 * Theory of operation: fts(3) walks (it changes directory, so depth is not
 * bounded by PATH_MAX or descriptors); libarchive writes the format.  Names are
 * bytes: no locale is set, hdrcharset=BINARY keeps libarchive from converting.
 * Owners are not sent: what arrives belongs to the sandbox's user.
 */
#include "cli/cp-pack.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/output.h"
#include "common/cleanup.h"

#define COPY (256 * 1024)

struct pack {
	struct xfer *x;
	const struct globals *g;
	struct archive *a;
	struct archive_entry_linkresolver *links;
	const char *name;
	size_t root_len;	/* of the path that fts prepends */
	uint8_t *buf;
	struct err *err;	/* set by the write callback */
};

static la_ssize_t write_cb(struct archive *a, void *client, const void *data,
			   size_t len)
{
	struct pack *p = client;

	if (xfer_send(p->x, data, len, p->err) < 0) {
		archive_set_error(a, EIO, "stream");
		return -1;
	}
	return (la_ssize_t)len;
}

/* The error of the stream if there is one, else libarchive's. */
static int failed(struct pack *p, const char *path)
{
	if (p->err && p->err->code != ERR_NONE)
		return -1;
	return err_set(p->err, ERR_FAILED, "%s: %s", path,
		       archive_error_string(p->a));
}

static int put_data(struct pack *p, int fd, uint64_t size, const char *path)
{
	while (size) {
		size_t want = MIN(size, COPY);
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, p->buf, want));

		if (n < 0)
			return err_sys(p->err, errno, "%s", path);
		if (n == 0) {
			output_warn(p->g, "%s: shrank while it was read", path);
			memset(p->buf, 0, want);
			n = (ssize_t)want;
		}
		if (archive_write_data(p->a, p->buf, (size_t)n) < 0)
			return failed(p, path);
		size -= (uint64_t)n;
	}
	return 0;
}

/* Tell where the data of a file with holes are; put_data() still hands over all
 * of it, and libarchive leaves the holes out. */
static void add_extents(struct archive_entry *e, int fd, const struct stat *st)
{
	off_t data = 0, hole;

	if (st->st_size == 0 || st->st_blocks * 512 >= st->st_size)
		return;
	while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data || hole > st->st_size)
			break;
		archive_entry_sparse_add_entry(e, data, hole - data);
		data = hole;
	}
	if (archive_entry_sparse_count(e) == 0 && data < 0 && errno == ENXIO)
		archive_entry_sparse_add_entry(e, 0, 0);
	lseek(fd, 0, SEEK_SET);
}

/* "name/rest", or "./rest" for the contents. Return: malloc'ed. */
static char *entry_name(const struct pack *p, const char *path)
{
	const char *rest = path + MIN(p->root_len, strlen(path));
	char *out = NULL;

	while (*rest == '/')
		rest++;
	if (asprintf(&out, "%s%s%s", p->name ? p->name : ".", *rest ? "/" : "",
		     rest) < 0)
		return NULL;
	return out;
}

static int fill_entry(struct pack *p, struct archive_entry *e, const FTSENT *f,
		      const struct stat *st)
{
	CLEANUP_FREE char *name = entry_name(p, f->fts_path);
	char target[4096];
	ssize_t n;

	if (!name)
		return err_sys(p->err, ENOMEM, "%s", f->fts_path);
	archive_entry_copy_pathname(e, name);
	archive_entry_set_mode(e, st->st_mode);
	archive_entry_set_mtime(e, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	archive_entry_set_dev(e, st->st_dev);
	archive_entry_set_ino64(e, (la_int64_t)st->st_ino);
	archive_entry_set_nlink(e, (unsigned int)st->st_nlink);
	if (S_ISREG(st->st_mode))
		archive_entry_set_size(e, st->st_size);
	if (S_ISLNK(st->st_mode)) {
		n = readlink(f->fts_accpath, target, sizeof(target) - 1);
		if (n < 0)
			return err_sys(p->err, errno, "%s", f->fts_path);
		target[n] = '\0';
		archive_entry_copy_symlink(e, target);
	}
	return 0;
}

/* Neither file nor folder nor link; an error when it is what was asked for. */
static int leave_out(struct pack *p, const FTSENT *f, mode_t mode)
{
	const char *kind = S_ISFIFO(mode)   ? "named pipe" :
			   S_ISSOCK(mode) ? "socket" :
					    "device";

	if (f->fts_level == 0)
		return err_set(p->err, ERR_FAILED, "%s: is a %s", f->fts_path,
			       kind);
	progress_end(&p->x->progress);
	output_warn(p->g, "left out: %s: a %s", f->fts_path, kind);
	return 0;
}

/* One file, folder or link. */
static int put_entry(struct pack *p, const FTSENT *f)
{
	struct archive_entry *e, *spare = NULL;
	struct stat st = *f->fts_statp;
	CLEANUP_FD int fd = -1;
	uint64_t size;
	int rc;

	if (S_ISREG(st.st_mode)) {
		fd = open(f->fts_accpath,
			  O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return err_sys(p->err, errno, "%s", f->fts_path);
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) &&
	    !S_ISLNK(st.st_mode))
		return leave_out(p, f, st.st_mode);
	e = archive_entry_new();
	if (!e)
		return err_sys(p->err, ENOMEM, "%s", f->fts_path);
	rc = fill_entry(p, e, f, &st);
	if (fd >= 0)
		add_extents(e, fd, &st);
	if (rc == 0) {
		archive_entry_linkify(p->links, &e, &spare);
		/* a later hard link has lost its size */
		size = (uint64_t)archive_entry_size(e);
		if (archive_write_header(p->a, e) < ARCHIVE_WARN)
			rc = failed(p, f->fts_path);
		else if (S_ISREG(st.st_mode) && size)
			rc = put_data(p, fd, size, f->fts_path);
	}
	archive_entry_free(e);
	return rc;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk(struct pack *p, FTS *fts)
{
	FTSENT *f;

	while ((errno = 0, f = fts_read(fts)) != NULL) {
		switch (f->fts_info) {
		case FTS_DP:
			continue;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			return err_sys(p->err, f->fts_errno, "%s", f->fts_path);
		default:
			break;
		}
		if (f->fts_level == 0) {
			p->root_len = f->fts_pathlen;
			/* the folder it goes into keeps its own mode */
			if (!p->name)
				continue;
		}
		if (put_entry(p, f) < 0)
			return -1;
	}
	return errno ? err_sys(p->err, errno, "walking the directory") : 0;
}

static int open_archive(struct pack *p)
{
	p->a = archive_write_new();
	p->links = archive_entry_linkresolver_new();
	p->buf = malloc(COPY);
	if (!p->a || !p->links || !p->buf)
		return err_sys(p->err, ENOMEM, "cp");
	archive_write_set_format_pax_restricted(p->a);
	archive_write_set_option(p->a, "pax", "hdrcharset", "BINARY");
	archive_write_set_bytes_per_block(p->a, FRAME_DATA_MAX);
	archive_write_set_bytes_in_last_block(p->a, 512);
	archive_entry_linkresolver_set_strategy(p->links, ARCHIVE_FORMAT_TAR);
	if (archive_write_open(p->a, p, NULL, write_cb, NULL) != ARCHIVE_OK)
		return failed(p, "cp");
	return 0;
}

/* See cp-pack.h. */
int pack_tree(struct xfer *x, const struct globals *g, const char *path,
	      const char *name, bool follow, struct err *err)
{
	struct err own = ERR_INIT;
	struct pack p = { .x = x, .g = g, .name = name, .err = &own };
	char *const paths[] = { (char *)path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | (follow ? FTS_COMFOLLOW : 0),
			    by_name);
	int rc;

	if (!fts)
		return err_sys(err, errno, "%s", path);
	rc = open_archive(&p);
	if (rc == 0)
		rc = walk(&p, fts);
	fts_close(fts);
	if (rc == 0 && archive_write_close(p.a) != ARCHIVE_OK)
		rc = failed(&p, path);
	/* after a failure, closing must not send the end of the archive */
	if (rc < 0 && p.a)
		archive_write_fail(p.a);
	archive_write_free(p.a);
	archive_entry_linkresolver_free(p.links);
	free(p.buf);
	if (rc < 0 && err)
		*err = own;
	return rc;
}
