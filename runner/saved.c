/* SPDX-License-Identifier: MIT */
/*
 * runner/saved.c - a machine in files, in a folder
 *
 * podflared, loop thread and work threads.  The files are written and read by
 * VMMs, which check them; nobody looks into them here.
 */
#include "runner/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>


static const char *const names[] = { SAVED_STATE, SAVED_MEMORY,
				     SAVED_TEMPLATE };

static int open_one(int dirfd, const char *name, int flags, struct err *err)
{
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, errno, "%s", name) : fd;
}

void saved_close(struct saved_files *f)
{
	const int fds[] = { f->state, f->memory, f->template };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*f = (struct saved_files)SAVED_NONE;
}

int saved_make(int dirfd, int template, struct saved_files *f,
	       struct err *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL;
	struct err ignored = ERR_INIT;

	*f = (struct saved_files)SAVED_NONE;
	if (saved_drop(dirfd, err) < 0)
		return -1;
	f->state = open_one(dirfd, SAVED_STATE, flags, err);
	if (f->state >= 0)
		f->memory = open_one(dirfd, SAVED_MEMORY, flags, err);
	if (f->memory < 0) {
		saved_close(f);
		saved_drop(dirfd, &ignored);
		return -1;
	}
	/* without it more is written, and that is all */
	if (template >= 0 &&
	    linkat(template, SAVED_MEMORY, dirfd, SAVED_TEMPLATE, 0) == 0)
		f->template = open_one(dirfd, SAVED_TEMPLATE, O_RDONLY,
				       &ignored);
	if (f->template < 0)
		unlinkat(dirfd, SAVED_TEMPLATE, 0);
	return 0;
}

int saved_open(int dirfd, struct saved_files *f, struct err *err)
{
	*f = (struct saved_files)SAVED_NONE;
	f->state = open_one(dirfd, SAVED_STATE, O_RDONLY, err);
	if (f->state >= 0)
		f->memory = open_one(dirfd, SAVED_MEMORY, O_RDONLY, err);
	if (f->memory < 0) {
		saved_close(f);
		return -1;
	}
	f->template = openat(dirfd, SAVED_TEMPLATE,
			     O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (f->template >= 0 || errno == ENOENT)
		return 0;
	err_sys(err, errno, SAVED_TEMPLATE);
	saved_close(f);
	return -1;
}

bool saved_exists(int dirfd)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (faccessat(dirfd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

uint64_t saved_used(int dirfd)
{
	uint64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (fstatat(dirfd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (strcmp(names[i], SAVED_TEMPLATE) != 0 || st.st_nlink == 1))
			bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}

int saved_drop(int dirfd, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (unlinkat(dirfd, names[i], 0) < 0 && errno != ENOENT)
			return err_sys(err, errno, "%s", names[i]);
	return 0;
}

int saved_link(int from, int to, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (linkat(from, names[i], to, names[i], 0) < 0 &&
		    (errno != ENOENT || strcmp(names[i], SAVED_TEMPLATE) != 0))
			return err_sys(err, errno, "cannot share %s", names[i]);
	return 0;
}
