/* SPDX-License-Identifier: MIT */
/*
 * machine/guest-config.c - the user's config.yaml, as the supervisor brings it
 *
 * A child of the server.  Trusts the supervisor; the file is the runner's to
 * judge.  One that is there already is left alone, so that it does not look new.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/path.h"
#include "machine/guest.h"

#define NAME "config.yaml"
#define BYTES_MAX (64 * 1024)

static int take(const struct buf *b, struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_CONFIG, NULL, true, err);
	CLEANUP_FD int dirfd = -1;
	CLEANUP_BUF struct buf old = BUF_INIT;

	if (!dir)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(err, errno, "%s", dir);
	if (b->data[0] == '0')
		return unlinkat(dirfd, NAME, 0) < 0 && errno != ENOENT
			? err_sys(err, errno, NAME) : 0;
	if (path_read_file(dirfd, NAME, BYTES_MAX, &old, NULL) == 0 &&
	    old.len == b->len - 1 &&
	    (!old.len || memcmp(old.data, b->data + 1, old.len) == 0))
		return 0;
	return path_write_file(dirfd, NAME, b->data + 1, b->len - 1, 0600, err);
}

int guest_config(int fd)
{
	CLEANUP_BUF struct buf b = { .max = BYTES_MAX + 4096 };
	struct err err = ERR_INIT;
	ssize_t n;

	while ((n = buf_read(&b, fd, 4096)) > 0)
		;
	if (n < 0)
		err_sys(&err, errno, NAME);
	else if (!b.len)
		return 1;	/* the supervisor is gone */
	else if (guest_become_user(&err) == 0 && take(&b, &err) == 0)
		err = (struct err)ERR_INIT;
	guest_answer(fd, err.code ? &err : NULL);
	return err.code != 0;
}
