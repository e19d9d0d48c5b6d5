/* SPDX-License-Identifier: MIT */
/*
 * guest-init/compare.c - how a path differs from the image
 *
 * A child of pid 1.  Files may change while they are read: then they differ.
 */
#include "guest-init/compare.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/util.h"

#define PIECE (64 * 1024)

/* Return: bytes read, fewer only at the end of the file; -1. */
static ssize_t read_piece(int fd, uint8_t *to)
{
	size_t done = 0;

	while (done < PIECE) {
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, to + done, PIECE - done));

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static bool same_bytes(const struct layer_dir *d, const char *name,
		       const struct layer_entry *e)
{
	static uint8_t bytes[2][PIECE];
	CLEANUP_FD int now = layer_open(d, name, e, false);
	CLEANUP_FD int old = layer_open(d, name, e, true);
	ssize_t n;

	if (now < 0 || old < 0)
		return false;
	do {
		n = read_piece(now, bytes[0]);
		if (n < 0 || read_piece(old, bytes[1]) != n ||
		    memcmp(bytes[0], bytes[1], (size_t)n) != 0)
			return false;
	} while (n == PIECE);
	return true;
}

static bool same_target(const struct layer_dir *d, const char *name,
			const struct layer_entry *e)
{
	char now[PATH_MAX], old[PATH_MAX];
	size_t n = layer_readlink(d, name, e, false, now);

	return layer_readlink(d, name, e, true, old) == n &&
	       memcmp(now, old, n) == 0;
}

static bool same_content(const struct layer_dir *d, const char *name,
			 const struct layer_entry *e)
{
	const struct stat *now = &e->now_st, *old = &e->old_st;

	switch (now->st_mode & S_IFMT) {
	case S_IFREG:
		return now->st_size == old->st_size &&
		       (now->st_size == 0 || same_bytes(d, name, e));
	case S_IFLNK:
		return now->st_size == old->st_size && same_target(d, name, e);
	case S_IFCHR:
	case S_IFBLK:
		return now->st_rdev == old->st_rdev;
	default:
		return true;
	}
}

uint32_t compare_entry(const struct layer_dir *d, const char *name,
		       const struct layer_entry *e)
{
	const struct stat *now = &e->now_st, *old = &e->old_st;
	uint32_t change = 0;

	if (!e->now)
		return e->old ? AGENT_CHANGE_DELETED : 0;
	if (!e->old)
		return AGENT_CHANGE_ADDED;
	if (now->st_dev == old->st_dev && now->st_ino == old->st_ino)
		return 0;	/* the very file of the image */
	if ((now->st_mode ^ old->st_mode) & 07777 ||
	    now->st_uid != old->st_uid || now->st_gid != old->st_gid)
		change |= AGENT_CHANGE_META;
	if ((now->st_mode ^ old->st_mode) & S_IFMT)
		change |= AGENT_CHANGE_TYPE;
	else if (!same_content(d, name, e))
		change |= AGENT_CHANGE_CONTENT;
	return change;
}
