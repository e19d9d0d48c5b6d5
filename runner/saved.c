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

#include "common/cleanup.h"

static const char *const names[] = { SAVED_STATE, SAVED_MEMORY };

static int open_one(int dirfd, const char *name, int flags, struct err *err)
{
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, errno, "%s", name) : fd;
}

int saved_make(int dirfd, int *state, int *memory, struct err *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL;

	if (saved_drop(dirfd, err) < 0)
		return -1;
	*state = open_one(dirfd, SAVED_STATE, flags, err);
	if (*state < 0)
		return -1;
	*memory = open_one(dirfd, SAVED_MEMORY, flags, err);
	if (*memory >= 0)
		return 0;
	close(*state);
	unlinkat(dirfd, SAVED_STATE, 0);
	return -1;
}

int saved_open(int dirfd, int *state, int *memory, struct err *err)
{
	CLEANUP_FD int fd = open_one(dirfd, SAVED_STATE, O_RDONLY, err);

	if (fd < 0)
		return -1;
	*memory = open_one(dirfd, SAVED_MEMORY, O_RDONLY, err);
	if (*memory < 0)
		return -1;
	*state = steal_fd(&fd);
	return 0;
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
		if (fstatat(dirfd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
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
		if (linkat(from, names[i], to, names[i], 0) < 0)
			return err_sys(err, errno, "cannot share %s", names[i]);
	return 0;
}
