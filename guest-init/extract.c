/* SPDX-License-Identifier: MIT */
/*
 * guest-init/extract.c - a tar stream into a folder
 *
 * A transfer's process, as root or as the user the host named; its umask is 0.
 * Distrusts the archive (names, links, sizes) and whoever else may write in the
 * folder meanwhile: see beneath.h. What a member replaces is removed first, so
 * that nothing is ever written through an existing name.
 *
 * Theory of operation: folders get their modes and times at the end, for they
 * have to stay writable, and their contents would change the times again.
 */
#include "guest-init/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "guest-init/beneath.h"
#include "guest-init/file-data.h"
#include "guest-init/tar.h"

#define FOLDERS_MAX (64 * MIB)	/* memory for folders that await their times */

struct folder {
	struct folder *next;
	uint32_t mode;
	struct timespec mtime;
	char name[];
};

struct extract {
	struct beneath at;
	struct tar_reader tar;
	struct folder *folders;		/* the last one first */
	size_t folders_size;
	bool root_made;
	bool chown;
};

static int fail(struct err *err, const struct tar_entry *e)
{
	return err_sys(err, errno, "%.500s", e->name);
}

static const struct timespec *times(const struct timespec *mtime)
{
	static struct timespec ts[2];

	ts[0] = ts[1] = *mtime;
	return ts;
}

/* Nothing stands in the way any more. Return: 0, or -1 with @err. */
static int make_way(int dir, const char *base, const struct tar_entry *e,
		    struct err *err)
{
	if (unlinkat(dir, base, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR)
		return err_sys(err, EISDIR, "%.500s: a folder is not replaced "
			       "by something else", e->name);
	return fail(err, e);
}

static int extract_file(struct extract *x, int dir, const char *base,
			const struct tar_entry *e, struct err *err)
{
	CLEANUP_FD int fd = -1;

	if (make_way(dir, base, e, err) < 0)
		return -1;
	fd = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(err, e);
	if (file_data_write(fd, x->tar.in, e, err) < 0 ||
	    tar_skip_padding(&x->tar, e->stored, err) < 0) {
		unlinkat(dir, base, 0);
		return -1;
	}
	/* the owner first: a change of it takes set-uid bits away */
	if ((x->chown && fchown(fd, e->uid, e->gid) < 0) ||
	    fchmod(fd, e->mode) < 0 || futimens(fd, times(&e->mtime)) < 0)
		return fail(err, e);
	return 0;
}

/* A name of our own making, or one of a device: no descriptor to be had. */
static int set_attributes(struct extract *x, int dir, const char *base,
			  const struct tar_entry *e, struct err *err)
{
	if (x->chown && fchownat(dir, base, e->uid, e->gid,
				 AT_SYMLINK_NOFOLLOW) < 0)
		return fail(err, e);
	if (utimensat(dir, base, times(&e->mtime), AT_SYMLINK_NOFOLLOW) < 0)
		return fail(err, e);
	return 0;
}

static int extract_special(struct extract *x, int dir, const char *base,
			   const struct tar_entry *e, struct err *err)
{
	mode_t type = e->type == TAR_FIFO ? S_IFIFO :
		e->type == TAR_CHAR ? S_IFCHR : S_IFBLK;

	if (make_way(dir, base, e, err) < 0)
		return -1;
	if (mknodat(dir, base, type | e->mode, makedev(e->major, e->minor)) < 0)
		return fail(err, e);
	return set_attributes(x, dir, base, e, err);
}

static int extract_symlink(struct extract *x, int dir, const char *base,
			   const struct tar_entry *e, struct err *err)
{
	if (make_way(dir, base, e, err) < 0)
		return -1;
	if (symlinkat(e->link ? e->link : "", dir, base) < 0)
		return fail(err, e);
	return set_attributes(x, dir, base, e, err);
}

/* Its target is a member's name: below the same folder, by the same rules. */
static int extract_hardlink(struct extract *x, const char *name,
			    const struct tar_entry *e, struct err *err)
{
	CLEANUP_FREE char *target = beneath_name(e->link ? e->link : "", err);
	const char *base, *target_base;
	struct beneath other;
	int dir, rc = -1, target_dir;

	if (!target)
		return -1;
	if (!*target || strcmp(target, name) == 0)
		return err_set(err, ERR_FAILED, "%.500s: a hard link to itself",
			       e->name);
	beneath_init(&other, x->at.root);
	target_dir = beneath_parent(&other, target, &target_base, err);
	dir = beneath_parent(&x->at, name, &base, err);
	if (target_dir >= 0 && dir >= 0 && make_way(dir, base, e, err) == 0) {
		rc = linkat(target_dir, target_base, dir, base, 0);
		if (rc < 0)
			err_sys(err, errno, "%.300s: hard link to %.300s",
				e->name, e->link);
	}
	beneath_free(&other);
	return rc;
}

static void remember_folder(struct extract *x, const char *name,
			    const struct tar_entry *e)
{
	size_t size = sizeof(struct folder) + strlen(name) + 1;
	struct folder *f;

	if (x->folders_size + size > FOLDERS_MAX)
		return;
	f = malloc(size);
	if (!f)
		return;
	f->mode = e->mode;
	f->mtime = e->mtime;
	strcpy(f->name, name);
	f->next = x->folders;
	x->folders = f;
	x->folders_size += size;
}

static int extract_folder(struct extract *x, int dir, const char *name,
			  const char *base, const struct tar_entry *e,
			  struct err *err)
{
	CLEANUP_FD int fd = -1;

	if (mkdirat(dir, base, e->mode | 0700) < 0 && errno != EEXIST)
		return fail(err, e);
	fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return err_sys(err, ENOTDIR, "%.500s: exists, and a folder does "
			       "not replace it", e->name);
	if (fd < 0 || (x->chown && fchown(fd, e->uid, e->gid) < 0))
		return fail(err, e);
	remember_folder(x, name, e);
	return 0;
}

/* "./": the folder itself. Somebody else's keeps its attributes. */
static int extract_root(struct extract *x, const struct tar_entry *e,
			struct err *err)
{
	if (e->type != TAR_FOLDER)
		return err_set(err, ERR_FAILED, "\"%.500s\": not a name of a "
			       "file", e->name);
	if (!x->root_made)
		return 0;
	if (x->chown && fchown(x->at.root, e->uid, e->gid) < 0)
		return fail(err, e);
	remember_folder(x, "", e);
	return 0;
}

static int extract_one(struct extract *x, const struct tar_entry *e,
		       struct err *err)
{
	CLEANUP_FREE char *name = beneath_name(e->name, err);
	const char *base;
	int dir, rc = -1;

	if (!name)
		return -1;
	if (!*name)
		return extract_root(x, e, err);
	if (e->type == TAR_HARDLINK) {
		rc = extract_hardlink(x, name, e, err);
		if (rc == 0)
			rc = stream_skip(x->tar.in, e->stored, err);
		return rc < 0 ? -1 : tar_skip_padding(&x->tar, e->stored, err);
	}
	dir = beneath_parent(&x->at, name, &base, err);
	if (dir < 0)
		return -1;
	switch (e->type) {
	case TAR_FILE:
		return extract_file(x, dir, base, e, err);
	case TAR_SYMLINK:
		return extract_symlink(x, dir, base, e, err);
	case TAR_CHAR:
	case TAR_BLOCK_DEVICE:
	case TAR_FIFO:
		return extract_special(x, dir, base, e, err);
	case TAR_FOLDER:
		rc = extract_folder(x, dir, name, base, e, err);
		if (rc == 0)
			rc = stream_skip(x->tar.in, e->stored, err);
		return rc < 0 ? -1 : tar_skip_padding(&x->tar, e->stored, err);
	case TAR_HARDLINK:
		break;
	}
	return rc;
}

/* Errors matter less than the files, which are all there by now. */
static void finish_folders(struct extract *x)
{
	struct err ignored = ERR_INIT;

	while (x->folders) {
		struct folder *f = x->folders;
		const char *base;
		int dir = beneath_parent(&x->at, f->name, &base, &ignored);
		CLEANUP_FD int fd = dir < 0 ? -1 :
			openat(dir, *base ? base : ".", O_RDONLY | O_DIRECTORY |
			       O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 && fchmod(fd, f->mode) == 0)
			futimens(fd, times(&f->mtime));
		x->folders = f->next;
		free(f);
	}
}

int extract_all(int root, bool made, struct stream_in *in, struct err *err)
{
	struct extract x = { .tar.in = in, .root_made = made,
			     .chown = geteuid() == 0 };
	struct tar_entry e;
	int rc;

	beneath_init(&x.at, root);
	do {
		rc = tar_next(&x.tar, &e, err);
		if (rc > 0 && extract_one(&x, &e, err) < 0)
			rc = -1;
		tar_entry_free(&e);
	} while (rc > 0);
	finish_folders(&x);
	beneath_free(&x.at);
	buf_free(&x.tar.global);
	return rc;
}
