/* SPDX-License-Identifier: MIT */
/*
 * guest-init/beneath.c - paths below a folder, without following a link
 *
 * A transfer's process, often with root's rights.  Distrusts the names and
 * everything that it finds in the folder, also while it works there.
 */
#include "guest-init/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

void beneath_init(struct beneath *b, int root)
{
	*b = (struct beneath){ .root = root, .dir = -1 };
}

void beneath_free(struct beneath *b)
{
	if (b->dir >= 0)
		close(b->dir);
	free(b->dir_path);
	beneath_init(b, b->root);
}

char *beneath_name(const char *name, struct err *err)
{
	char *clean = malloc(strlen(name) + 1);
	size_t n = 0;

	if (!clean) {
		err_sys(err, ENOMEM, "archive");
		return NULL;
	}
	for (const char *p = name; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && memcmp(p, "..", 2) == 0) {
			err_set(err, ERR_FAILED, "%.300s: a name with \"..\" is "
				"refused", name);
			free(clean);
			return NULL;
		}
		if (len && !(len == 1 && *p == '.')) {
			if (n)
				clean[n++] = '/';
			memcpy(clean + n, p, len);
			n += len;
		}
		p += len;
		p += *p == '/';
	}
	clean[n] = '\0';
	return clean;
}

/* Why a part of a path could not be entered, for people. */
static int refuse(int dir, const char *part, const char *path, int sys,
		  struct err *err)
{
	struct stat st;

	if ((sys == ENOTDIR || sys == ELOOP) &&
	    fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		err_sys(err, ENOTDIR, "%.500s: %s", path, S_ISLNK(st.st_mode) ?
			"a symbolic link on the way is not followed" :
			"a part of the path is no folder");
		return -1;
	}
	return err_sys(err, sys, "%.500s", path);
}

/* One part further down; made if it is missing. */
static int enter(int dir, const char *part, const char *path, struct err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, part, flags);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(dir, part, 0755) < 0 && errno != EEXIST)
			return err_sys(err, errno, "%.500s", path);
		fd = openat(dir, part, flags);
	}
	if (fd < 0)
		refuse(dir, part, path, errno, err);
	return fd;
}

static int walk(int root, char *path, const char *name, struct err *err)
{
	CLEANUP_FD int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);
	char *rest = NULL;

	if (dir < 0)
		return err_sys(err, errno, "%.500s", name);
	for (char *part = strtok_r(path, "/", &rest); part;
	     part = strtok_r(NULL, "/", &rest)) {
		int next = enter(dir, part, name, err);

		if (next < 0)
			return -1;
		close(dir);
		dir = next;
	}
	return steal_fd(&dir);
}

int beneath_parent(struct beneath *b, const char *name, const char **base,
		   struct err *err)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;
	CLEANUP_FREE char *path = strndup(name, len);
	CLEANUP_FREE char *parts = strndup(name, len);
	int dir;

	*base = slash ? slash + 1 : name;
	if (!path || !parts)
		return err_sys(err, ENOMEM, "archive");
	if (b->dir >= 0 && strcmp(b->dir_path, path) == 0)
		return b->dir;	/* most entries share it with the one before */
	dir = walk(b->root, parts, name, err);
	if (dir < 0)
		return -1;
	beneath_free(b);
	b->dir = dir;
	b->dir_path = steal_ptr(&path);
	return dir;
}
