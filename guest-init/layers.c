/* SPDX-License-Identifier: MIT */
/*
 * guest-init/layers.c - the two halves of the root, and what overlayfs makes of
 * them
 *
 * A child of pid 1.  Both halves are only read.  The upper one changes
 * meanwhile, and root may write to its disk as he likes: nothing is followed,
 * nothing opened but folders and regular files.
 */
#include "guest-init/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define XATTR_OPAQUE "trusted.overlay.opaque"
#define XATTR_REDIRECT "trusted.overlay.redirect"

/* Return: 0 with *fd, -1 there when it is no folder; -1 with errno. */
static int open_dir(int parent, const char *name, int *fd)
{
	*fd = parent < 0 ? -1 : openat(parent, name, DIR_FLAGS);
	if (*fd >= 0 || parent < 0 || errno == ENOENT || errno == ENOTDIR ||
	    errno == ELOOP)
		return 0;
	return -1;
}

int layer_root(const struct layers *l, bool image, struct layer_dir *d)
{
	*d = (struct layer_dir){ l, -1, -1, -1 };
	if (open_dir(l->upper, ".", &d->upper) < 0 ||
	    open_dir(l->lower, ".", &d->lower) < 0) {
		layer_close(d);
		return -1;
	}
	if (image)
		d->image = d->lower;
	return 0;
}

static void close_dir(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void layer_close(struct layer_dir *d)
{
	if (d->image == d->lower)
		d->image = -1;
	close_dir(&d->upper);
	close_dir(&d->lower);
	close_dir(&d->image);
}

bool layer_is_image(const struct layer_dir *d)
{
	return d->upper < 0 && d->lower == d->image;
}

bool layer_is_none(const struct layer_dir *d)
{
	return d->upper < 0 && d->lower < 0 && d->image < 0;
}

static bool is_opaque(int upper)
{
	char value[2];

	return fgetxattr(upper, XATTR_OPAQUE, value, sizeof(value)) > 0 &&
	       value[0] == 'y';
}

/* From the root, or beside where it was. */
static int open_redirect(const struct layer_dir *d, const char *to, int *fd)
{
	const struct open_how how = {
		.flags = DIR_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	if (to[0] != '/')
		return strchr(to, '/') ? 0 : open_dir(d->lower, to, fd);
	to += strspn(to, "/");
	if (d->layers->lower < 0 || !*to)
		return 0;
	*fd = (int)syscall(SYS_openat2, d->layers->lower, to, &how, sizeof(how));
	return *fd < 0 && (errno == EMFILE || errno == ENFILE ||
			   errno == ENOMEM || errno == EIO) ? -1 : 0;
}

/* The folder that overlayfs merges with @child's upper one.
 * @param same set when its path is that in the image */
static int enter_lower(const struct layer_dir *d, const char *name,
		       struct layer_dir *child, bool *same)
{
	char to[PATH_MAX + 1];
	ssize_t n = 0;

	if (child->upper >= 0) {
		if (is_opaque(child->upper))
			return 0;
		n = fgetxattr(child->upper, XATTR_REDIRECT, to, PATH_MAX);
	}
	if (n > 0) {
		to[n] = '\0';
		return open_redirect(d, to, &child->lower);
	}
	*same = d->lower == d->image;
	return open_dir(d->lower, name, &child->lower);
}

static int enter(const struct layer_dir *d, const char *name,
		 struct layer_dir *child)
{
	bool upper_has = d->upper >= 0, same = false;

	if (upper_has) {
		child->upper = openat(d->upper, name, DIR_FLAGS);
		if (child->upper < 0 && errno == ENOENT)
			upper_has = false;
		else if (child->upper < 0 && errno != ENOTDIR && errno != ELOOP)
			return -1;
	}
	/* what is no folder in the upper half hides the lower one */
	if ((!upper_has || child->upper >= 0) &&
	    enter_lower(d, name, child, &same) < 0)
		return -1;
	if (same)
		child->image = child->lower;
	else if (open_dir(d->image, name, &child->image) < 0)
		return -1;
	return 0;
}

int layer_enter(const struct layer_dir *d, const char *name,
		struct layer_dir *child)
{
	*child = (struct layer_dir){ d->layers, -1, -1, -1 };
	if (enter(d, name, child) == 0)
		return 0;
	layer_close(child);
	return -1;
}

/* Return: 0 with *has, or -1 with errno. */
static int stat_one(int dir, const char *name, struct stat *st, bool *has)
{
	*has = false;
	if (dir < 0)
		return 0;
	if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	*has = true;
	return 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int layer_stat(const struct layer_dir *d, const char *name, bool image,
	       struct layer_entry *e)
{
	if (stat_one(d->upper, name, &e->now_st, &e->now) < 0)
		return -1;
	e->upper = e->now;
	if (!e->upper && stat_one(d->lower, name, &e->now_st, &e->now) < 0)
		return -1;
	if (!e->upper && d->lower == d->image) {
		e->old = e->now;
		e->old_st = e->now_st;
	} else if (stat_one(image ? d->image : -1, name, &e->old_st,
			    &e->old) < 0) {
		return -1;
	}
	e->now = e->now && !is_whiteout(&e->now_st);
	e->old = e->old && !is_whiteout(&e->old_st);
	return 0;
}

static int dir_of(const struct layer_dir *d, const struct layer_entry *e,
		  bool old)
{
	return old ? d->image : e->upper ? d->upper : d->lower;
}

int layer_open(const struct layer_dir *d, const char *name,
	       const struct layer_entry *e, bool old)
{
	const struct stat *want = old ? &e->old_st : &e->now_st;
	struct stat st;
	int fd = openat(dir_of(d, e, old), name, O_RDONLY | O_NOFOLLOW |
			O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_ino == want->st_ino && st.st_dev == want->st_dev)
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

size_t layer_readlink(const struct layer_dir *d, const char *name,
		      const struct layer_entry *e, bool old, char *target)
{
	ssize_t n = readlinkat(dir_of(d, e, old), name, target, PATH_MAX);

	return n < 0 ? 0 : (size_t)n;
}
