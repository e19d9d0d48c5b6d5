/* SPDX-License-Identifier: MIT */
/*
 * cli/image-files.c - walking a recipe's files on the host
 *
 * Runs in the CLI.  The files are the user's; links are copied, never followed,
 * so that a tree cannot pull in what lies outside of it.
 */
#include "cli/image-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/yaml.h"

#define DEPTH_MAX 64
#define CHUNK (64 * KIB)

struct walk {
	const struct recipe *r;
	const struct recipe_file *f;
	struct files_sink *sink;
	struct err *err;
};

static int failed(const struct walk *w, int sys, const char *path)
{
	node_error(w->r->file, w->f->line, w->err, "files: %s: %s", path,
		   strerror(sys));
	if (w->err && sys != ENOENT)
		w->err->code = ERR_FAILED;
	return -1;
}

static int walk_data(struct walk *w, int fd, const char *path, uint64_t size)
{
	CLEANUP_FREE char *chunk = malloc(CHUNK);
	ssize_t n;

	if (!chunk)
		return failed(w, ENOMEM, path);
	while (size) {
		n = read(fd, chunk, MIN(size, CHUNK));
		if (n < 0)
			return failed(w, errno, path);
		/* it became shorter meanwhile */
		if (n == 0)
			return failed(w, EIO, path);
		if (w->sink->data(w->sink, chunk, (size_t)n, w->err) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return 0;
}

static int walk_link(struct walk *w, int dirfd, const char *name,
		     const char *dest)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return failed(w, errno, name);
	target[n] = '\0';
	return w->sink->begin(w->sink, dest, S_IFLNK | 0777, 0, target, w->err);
}

static int walk_node(struct walk *w, int dirfd, const char *name,
		     const char *dest, int depth);

static int not_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

static int walk_dir(struct walk *w, int fd, const char *dest, int depth)
{
	struct dirent **names = NULL;
	int n = scandirat(fd, ".", &names, not_dots, alphasort), rc = 0;
	char path[PATH_MAX];

	if (n < 0)
		return failed(w, errno, dest);
	if (depth == DEPTH_MAX)
		rc = failed(w, ELOOP, dest);
	for (int i = 0; i < n; i++) {
		if (rc == 0 && snprintf(path, sizeof(path), "%s%s%s", dest,
					*dest ? "/" : "", names[i]->d_name) >=
				       (int)sizeof(path))
			rc = failed(w, ENAMETOOLONG, dest);
		if (rc == 0)
			rc = walk_node(w, fd, names[i]->d_name, path,
				       depth + 1);
		free(names[i]);
	}
	free(names);
	return rc;
}

/* One file, link or folder and what is in it. */
static int walk_node(struct walk *w, int dirfd, const char *name,
		     const char *dest, int depth)
{
	CLEANUP_FD int fd = -1;
	struct stat st;
	unsigned int mode;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(w, errno, name);
	if (S_ISLNK(st.st_mode))
		return walk_link(w, dirfd, name, dest);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return node_error(w->r->file, w->f->line, w->err,
				  "files: %s: neither file, folder nor link",
				  name);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(w, errno, name);
	mode = st.st_mode & 0777;
	if (S_ISDIR(st.st_mode)) {
		/* "src/" means what is in it: the image may have the folder */
		if ((depth || w->f->src[strlen(w->f->src) - 1] != '/') &&
		    w->sink->begin(w->sink, dest, S_IFDIR | mode, 0,
					    NULL, w->err) < 0)
			return -1;
		return walk_dir(w, fd, dest, depth);
	}
	if (w->f->mode != RECIPE_MODE_KEEP)
		mode = w->f->mode;
	if (w->sink->begin(w->sink, dest, S_IFREG | mode, (uint64_t)st.st_size,
			   NULL, w->err) < 0)
		return -1;
	return walk_data(w, fd, name, (uint64_t)st.st_size);
}

/* See image-files.h. */
int files_walk_one(const struct recipe *r, size_t i, struct files_sink *sink,
		   struct err *err)
{
	struct walk w = { .r = r, .f = &r->files[i], .sink = sink, .err = err };
	const char *dest = w.f->dest + strspn(w.f->dest, "/");

	return walk_node(&w, AT_FDCWD, w.f->src, dest, 0);
}

/* See image-files.h. */
int files_walk(const struct recipe *r, struct files_sink *sink,
	       struct err *err)
{
	for (size_t i = 0; i < r->nr_files; i++)
		if (files_walk_one(r, i, sink, err) < 0)
			return -1;
	return 0;
}
