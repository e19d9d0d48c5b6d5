/* SPDX-License-Identifier: MIT */
/*
 * common/path-file.c - whole files: read, write atomically, remove trees
 *
 * Any process.  Distrusts names inside a tree that it removes: links are never
 * followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"

int path_read_file(int dirfd, const char *name, size_t max, struct buf *out,
		   struct err *err)
{
	CLEANUP_FD int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_sys(err, errno, "%s", name);
	for (;;) {
		n = buf_read(out, fd, 16384);
		if (n < 0)
			return err_sys(err, errno, "%s", name);
		if (n == 0)
			break;
		if (out->len > max)
			return err_set(err, ERR_LIMIT, "%s: over %zu bytes",
				       name, max);
	}
	buf_str(out);
	return 0;
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = TEMP_FAILURE_RETRY(write(fd, p, len));
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The folder's entry must be on disk before the caller may say so. */
static int sync_dir(int dirfd, const char *name)
{
	CLEANUP_FD int fd = -1;
	char dir[PATH_MAX];
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s", name) >= (int)sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	slash = strrchr(dir, '/');
	if (!slash)
		strcpy(dir, ".");
	else
		slash[slash == dir] = '\0';
	fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

int path_write_file(int dirfd, const char *name, const void *data, size_t len,
		    int mode, struct err *err)
{
	CLEANUP_FD int fd = -1;
	char tmp[PATH_MAX];
	int saved;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp-%d", name, (int)getpid()) >=
	    (int)sizeof(tmp))
		return err_sys(err, ENAMETOOLONG, "%s", name);
	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s", tmp);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_sys(err, errno, "%s", tmp);
	if (write_all(fd, data, len) == 0 && fsync(fd) == 0 &&
	    renameat(dirfd, tmp, dirfd, name) == 0 &&
	    sync_dir(dirfd, name) == 0)
		return 0;
	saved = errno;
	unlinkat(dirfd, tmp, 0);
	return err_sys(err, saved, "%s", name);
}

/* An open folder on the way down; the deepest first. */
struct level {
	DIR *dir;
	char name[NAME_MAX + 1];	/* in the folder above */
};

#define DEPTH_MAX 512

static int open_level(struct level *l, int dirfd, const char *name)
{
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	l->dir = fdopendir(fd);
	if (!l->dir) {
		close(fd);
		return -1;
	}
	snprintf(l->name, sizeof(l->name), "%s", name);
	return 0;
}

/* Remove what is in the deepest folder; Return: 1 when a folder in it was
 * opened as the next level, 0 when it is empty now, -1 with errno. */
static int empty_level(struct level *levels, int depth)
{
	struct level *l = &levels[depth];
	struct dirent *e;

	while ((errno = 0, e = readdir(l->dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(l->dir), e->d_name, 0) == 0 ||
		    errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return -1;
		if (depth + 1 == DEPTH_MAX) {
			errno = ELOOP;
			return -1;
		}
		if (open_level(&levels[depth + 1], dirfd(l->dir),
			       e->d_name) == 0)
			return 1;
		/* a folder that must not be read is ours all the same */
		if (errno != EACCES ||
		    fchmodat(dirfd(l->dir), e->d_name, 0700, 0) < 0)
			return -1;
		return open_level(&levels[depth + 1], dirfd(l->dir),
				  e->d_name) < 0 ? -1 : 1;
	}
	return errno ? -1 : 0;
}

int path_remove_tree(int dirfd_, const char *name, struct err *err)
{
	struct level *levels;
	int depth = 0, rc, saved = 0;

	if (unlinkat(dirfd_, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(err, errno, "%s", name);
	levels = calloc(DEPTH_MAX, sizeof(*levels));
	if (!levels)
		return err_sys(err, ENOMEM, "%s", name);
	if (open_level(&levels[0], dirfd_, name) < 0) {
		saved = errno;
		depth = -1;
	}
	while (depth >= 0) {
		rc = saved ? -1 : empty_level(levels, depth);
		if (rc > 0) {
			depth++;
			continue;
		}
		if (rc < 0 && !saved)
			saved = errno;
		closedir(levels[depth].dir);
		if (!saved && depth > 0 &&
		    unlinkat(dirfd(levels[depth - 1].dir), levels[depth].name,
			     AT_REMOVEDIR) < 0)
			saved = errno;
		if (!saved && depth == 0 &&
		    unlinkat(dirfd_, name, AT_REMOVEDIR) < 0)
			saved = errno;
		depth--;
	}
	free(levels);
	return saved ? err_sys(err, saved, "%s", name) : 0;
}
