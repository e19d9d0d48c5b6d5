/* SPDX-License-Identifier: MIT */
/*
 * cli/image-files-out.c - a recipe's files into a tar archive, or a digest
 *
 * Runs in the CLI.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <sha2.h>

#include "cli/image-base.h"
#include "cli/image-files.h"
#include "common/cleanup.h"

struct tar_sink {
	struct files_sink sink;
	struct archive *a;
};

struct digest_sink {
	struct files_sink sink;
	SHA2_CTX ctx;
};

static int tar_failed(struct archive *a, struct err *err)
{
	int sys = archive_errno(a);

	return err_sys(err, sys > 0 ? sys : EIO, "temporary archive");
}

static int tar_begin(struct files_sink *s, const char *path, unsigned int mode,
		     uint64_t size, const char *link, struct err *err)
{
	struct tar_sink *t = container_of(s, struct tar_sink, sink);
	struct archive_entry *e = archive_entry_new();
	int rc;

	if (!e)
		return err_sys(err, ENOMEM, "%s", path);
	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, (la_int64_t)size);
	if (link)
		archive_entry_set_symlink(e, link);
	archive_entry_set_mtime(e, time(NULL), 0);
	rc = archive_write_header(t->a, e);
	archive_entry_free(e);
	return rc == ARCHIVE_OK ? 0 : tar_failed(t->a, err);
}

static int tar_data(struct files_sink *s, const void *data, size_t len,
		    struct err *err)
{
	struct tar_sink *t = container_of(s, struct tar_sink, sink);

	return archive_write_data(t->a, data, len) == (la_ssize_t)len
		? 0 : tar_failed(t->a, err);
}

/* See image-files.h. */
int files_archive(const struct recipe *r, struct archive *a, struct err *err)
{
	struct tar_sink t = { .sink = { tar_begin, tar_data }, .a = a };

	return files_walk(r, &t.sink, err);
}

/* See image-files.h. */
int files_put(struct archive *a, const char *path, unsigned int mode,
	      const void *data, size_t len, struct err *err)
{
	struct tar_sink t = { .sink = { tar_begin, tar_data }, .a = a };

	if (tar_begin(&t.sink, path, mode, len, NULL, err) < 0)
		return -1;
	return len ? tar_data(&t.sink, data, len, err) : 0;
}

struct path_sink {
	struct files_sink sink;
	struct buf *out;
};

static int path_begin(struct files_sink *s, const char *path, unsigned int mode,
		      uint64_t size, const char *link, struct err *err)
{
	struct path_sink *p = container_of(s, struct path_sink, sink);

	if (buf_append(p->out, "/", 1) < 0 ||
	    buf_append(p->out, path, strlen(path) + 1) < 0)
		return err_sys(err, errno, "files");
	return 0;
}

static int path_data(struct files_sink *s, const void *data, size_t len,
		     struct err *err)
{
	return 0;
}

/* See image-files.h. */
int files_paths(const struct recipe *r, size_t i, struct buf *out,
		struct err *err)
{
	struct path_sink p = { .sink = { path_begin, path_data }, .out = out };

	return files_walk_one(r, i, &p.sink, err);
}

static int digest_begin(struct files_sink *s, const char *path,
			unsigned int mode, uint64_t size, const char *link,
			struct err *err)
{
	struct digest_sink *d = container_of(s, struct digest_sink, sink);
	char text[64];

	/* lengths keep two trees with the same bytes apart */
	snprintf(text, sizeof(text), "%o %llu %zu:", mode,
		 (unsigned long long)size, strlen(path));
	SHA256Update(&d->ctx, (const uint8_t *)text, strlen(text));
	SHA256Update(&d->ctx, (const uint8_t *)path, strlen(path));
	if (link)
		SHA256Update(&d->ctx, (const uint8_t *)link, strlen(link) + 1);
	return 0;
}

static int digest_data(struct files_sink *s, const void *data, size_t len,
		       struct err *err)
{
	struct digest_sink *d = container_of(s, struct digest_sink, sink);

	SHA256Update(&d->ctx, data, len);
	return 0;
}

static int digest_file(SHA2_CTX *ctx, const char *path, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t chunk[16384];
	ssize_t n;

	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		SHA256Update(ctx, chunk, (size_t)n);
	return n < 0 ? err_sys(err, errno, "%s", path) : 0;
}

/* See image-files.h. */
int files_input_digest(const struct recipe *r, char out[65], struct err *err)
{
	struct digest_sink d = { .sink = { digest_begin, digest_data } };
	CLEANUP_BUF struct buf text = BUF_INIT;

	SHA256Init(&d.ctx);
	buf_printf(&text, "podflare " PACKAGE_VERSION " %d\n", BASE_REVISION);
	recipe_describe(r, &text);
	SHA256Update(&d.ctx, text.data, text.len);
	if (files_walk(r, &d.sink, err) < 0)
		return -1;
	if (r->kernel_path && digest_file(&d.ctx, r->kernel_path, err) < 0)
		return -1;
	if (r->kernel_modules)
		SHA256Update(&d.ctx, (const uint8_t *)r->kernel_modules,
			     strlen(r->kernel_modules));
	SHA256End(&d.ctx, out);
	return 0;
}
