/* SPDX-License-Identifier: MIT */
/*
 * guest-init/archive.c - a file or a folder as a tar stream
 *
 * A transfer's process, as root or as the user the host named.  The files are
 * the guest's and may change while they are read; nothing is opened that could
 * block, nothing below the path is followed.
 */
#include "guest-init/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "guest-init/file-data.h"
#include "guest-init/links.h"
#include "guest-init/tar.h"

#define DEPTH_MAX 4096

struct archive {
	struct stream_out *out;
	struct buf name;	/* of the current entry */
	struct links links;
	char shrank[256];	/* the first file that did, "" */
};

static int fail(struct archive *a, struct err *err)
{
	return err_sys(err, errno, "%.500s", buf_str(&a->name));
}

/* Made by the kernel, endless or meaningless elsewhere. */
static bool is_kernels_own(int fd)
{
	static const unsigned long types[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,
		TRACEFS_MAGIC, SECURITYFS_MAGIC, BPF_FS_MAGIC, PSTOREFS_MAGIC,
	};
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((unsigned long)s.f_type == types[i])
			return true;
	return false;
}

static void fill(struct tar_entry *e, struct archive *a, const struct stat *st)
{
	memset(e, 0, sizeof(*e));
	e->name = (char *)buf_str(&a->name);
	e->mode = st->st_mode & 07777;
	e->uid = st->st_uid;
	e->gid = st->st_gid;
	e->mtime = st->st_mtim;
}

static int add_node(struct archive *a, enum tar_type type, const char *link,
		    const struct stat *st, struct err *err)
{
	struct tar_entry e;

	fill(&e, a, st);
	e.type = type;
	e.link = (char *)link;
	e.major = major(st->st_rdev);
	e.minor = minor(st->st_rdev);
	return tar_write(a->out, &e, err);
}

static int add_symlink(struct archive *a, int dir, const char *base,
		       const struct stat *st, struct err *err)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(dir, base, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : fail(a, err);
	target[n] = '\0';
	return add_node(a, TAR_SYMLINK, target, st, err);
}

static int add_data(struct archive *a, int fd, struct tar_entry *e,
		    struct err *err)
{
	bool shrank = false;

	if (file_data_map(fd, e, err) < 0 || tar_write(a->out, e, err) < 0)
		return -1;
	if (file_data_read(fd, a->out, e, &shrank, err) < 0)
		return err_context(err, "%.500s", e->name);
	if (shrank && !a->shrank[0])
		memcpy(a->shrank, e->name, MIN(strlen(e->name) + 1,
					       sizeof(a->shrank) - 1));
	return tar_write_padding(a->out, e->stored, err);
}

static int add_file(struct archive *a, int fd, const struct stat *st,
		    struct err *err)
{
	const char *first;
	struct tar_entry e;
	int rc;

	first = links_find(&a->links, st, buf_str(&a->name));
	if (first)
		return add_node(a, TAR_HARDLINK, first, st, err);
	fill(&e, a, st);
	e.type = TAR_FILE;
	e.size = (uint64_t)st->st_size;
	rc = add_data(a, fd, &e, err);
	free(e.extents);
	return rc;
}

static int add_at(struct archive *a, int dir, const char *base, bool follow,
		  dev_t parent, unsigned int depth, struct err *err);

static int add_contents(struct archive *a, int fd, dev_t dev,
			unsigned int depth, struct err *err)
{
	CLEANUP_DIR DIR *d = fdopendir(fd);
	size_t len = a->name.len;
	struct dirent *de;

	if (!d) {
		close(fd);
		return fail(a, err);
	}
	for (errno = 0; (de = readdir(d)); errno = 0) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (buf_printf(&a->name, "%s%s",
			       len && a->name.data[len - 1] == '/' ? "" : "/",
			       de->d_name) < 0)
			return fail(a, err);
		if (add_at(a, fd, de->d_name, false, dev, depth + 1, err) < 0)
			return -1;
		a->name.len = len;
	}
	return errno ? fail(a, err) : 0;
}

static int add_folder(struct archive *a, int fd, const struct stat *st,
		      dev_t parent, unsigned int depth, struct err *err)
{
	size_t len = a->name.len;
	int rc;

	if (depth > DEPTH_MAX) {
		close(fd);
		return err_set(err, ERR_LIMIT, "folders are nested more than "
			       "%d deep", DEPTH_MAX);
	}
	buf_printf(&a->name, "/");
	rc = add_node(a, TAR_FOLDER, NULL, st, err);
	a->name.len = len;
	if (rc < 0 || (st->st_dev != parent && is_kernels_own(fd))) {
		close(fd);
		return rc;
	}
	return add_contents(a, fd, st->st_dev, depth, err);
}

/* What was a file or folder a moment ago is opened, and looked at again. */
static int add_opened(struct archive *a, int dir, const char *base, bool follow,
		      dev_t parent, unsigned int depth, struct err *err)
{
	CLEANUP_FD int fd = openat(dir, base, O_RDONLY | O_NONBLOCK | O_NOCTTY |
				   O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
	struct stat st;

	if (fd < 0)	/* gone, or replaced by a link: as if it had come later */
		return depth && (errno == ENOENT || errno == ELOOP) ? 0 :
			fail(a, err);
	if (fstat(fd, &st) < 0)
		return fail(a, err);
	if (S_ISREG(st.st_mode))
		return add_file(a, fd, &st, err);
	if (S_ISDIR(st.st_mode))
		return add_folder(a, steal_fd(&fd), &st, parent, depth, err);
	return 0;
}

static int add_at(struct archive *a, int dir, const char *base, bool follow,
		  dev_t parent, unsigned int depth, struct err *err)
{
	struct stat st;

	if (fstatat(dir, base, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return depth && errno == ENOENT ? 0 : fail(a, err);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
		return add_opened(a, dir, base, follow,
				  depth ? parent : st.st_dev, depth, err);
	case S_IFLNK:
		return add_symlink(a, dir, base, &st, err);
	case S_IFCHR:
		return add_node(a, TAR_CHAR, NULL, &st, err);
	case S_IFBLK:
		return add_node(a, TAR_BLOCK_DEVICE, NULL, &st, err);
	case S_IFIFO:
		return add_node(a, TAR_FIFO, NULL, &st, err);
	default:	/* a socket: nothing to archive */
		return 0;
	}
}

/* The last part of a path that has one; else ".". */
static int first_name(struct buf *to, const char *path)
{
	size_t len = strlen(path), start;

	while (len && path[len - 1] == '/')
		len--;
	start = len;
	while (start && path[start - 1] != '/')
		start--;
	if (start == len)
		return buf_append(to, ".", 1);
	return buf_append(to, path + start, len - start);
}

int archive_all(int dir, const char *path, const char *name, bool follow,
		struct stream_out *out, struct err *err)
{
	struct archive a = { .out = out };
	int rc;

	if ((name ? buf_append(&a.name, name, strlen(name)) :
	     first_name(&a.name, path)) < 0)
		return err_sys(err, errno, "archive");
	rc = add_at(&a, dir, path, follow, 0, 0, err);
	if (rc == 0)
		rc = tar_write_end(out, err);
	if (rc == 0 && a.shrank[0])
		rc = err_set(err, ERR_IO, "%s: shrank while it was read, its "
			     "end is zeros now", a.shrank);
	links_free(&a.links);
	buf_free(&a.name);
	return rc;
}
