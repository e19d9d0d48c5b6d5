/* SPDX-License-Identifier: MIT */
/*
 * guest-init/identity.c - what makes a machine itself, made anew in a copy
 *
 * Pid 1, while the commands stand still: it must not wait for anything of
 * theirs.  So no symbolic link is followed, no mount point crossed (a daemon
 * that stands still may have to answer for what is behind it), no special file
 * opened.
 */
#include "guest-init/identity.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"

#define ID_DIGITS 32
#define UNSET "uninitialized\n"
#define NEW_NAME ".machine-id.podflare"

struct place {
	const char *dir, *name;
};

static const struct place ids[] = {
	{ "etc", "machine-id" },
	{ "var/lib/dbus", "machine-id" },
	{ "run", "machine-id" },
};

static const struct place seeds[] = {
	{ "var/lib/systemd", "random-seed" },
	{ "var/lib/urandom", "random-seed" },
};

static int open_here(int dir, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV |
			   RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* /run is a file system of its own, in memory. */
static int open_folder(int root, const char *path)
{
	CLEANUP_FD int fd = open_here(root, path, O_PATH | O_DIRECTORY);
	struct statfs s;

	if (fd >= 0 || errno != EXDEV)
		return steal_fd(&fd);
	fd = openat(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &s) < 0 || s.f_type != TMPFS_MAGIC)
		return -1;
	return steal_fd(&fd);
}

/* Of systemd's form: machine-id(5). One that is empty or "uninitialized" is yet
 * to be set. @st of the file */
static bool has_id(int dir, const char *name, struct stat *st)
{
	CLEANUP_FD int fd = open_here(dir, name, O_RDONLY | O_NONBLOCK);
	char text[ID_DIGITS + 1] = "";
	ssize_t n;

	if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
		return false;
	n = read(fd, text, sizeof(text));
	if (n == 0 || (n == (ssize_t)strlen(UNSET) &&
		       memcmp(text, UNSET, strlen(UNSET)) == 0))
		return true;
	if (n < ID_DIGITS || (n > ID_DIGITS && text[ID_DIGITS] != '\n'))
		return false;
	for (int i = 0; i < ID_DIGITS; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

static int write_id(int fd, const char *id, const struct stat *st)
{
	if (write(fd, id, ID_DIGITS + 1) != ID_DIGITS + 1 ||
	    fchmod(fd, st->st_mode & 07777) < 0)
		return -1;
	return fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM ? -1 : 0;
}

/* By a new file: to write into one of the image, all of it is copied first, and
 * the copy flushed to the disk. */
static int replace_id(int dir, const char *name, const char *id,
		      const struct stat *st)
{
	CLEANUP_FD int fd = -1;

	unlinkat(dir, NEW_NAME, 0);
	fd = open_here(dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL);
	if (fd >= 0 && write_id(fd, id, st) == 0 &&
	    renameat(dir, NEW_NAME, dir, name) == 0)
		return 0;
	if (fd >= 0)
		unlinkat(dir, NEW_NAME, 0);
	/* a full disk may have it in a file of its own already */
	close(fd);
	fd = open_here(dir, name, O_WRONLY | O_NONBLOCK);
	return fd >= 0 && pwrite(fd, id, ID_DIGITS + 1, 0) > 0 ? 0 : -1;
}

/* A random UUID, version 4. */
static int make_id(char id[ID_DIGITS + 2])
{
	uint8_t raw[ID_DIGITS / 2];

	if (getrandom(raw, sizeof(raw), GRND_NONBLOCK) != sizeof(raw))
		return -1;
	raw[6] = (raw[6] & 0x0f) | 0x40;
	raw[8] = (raw[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(id + 2 * i, 3, "%02x", raw[i]);
	memcpy(id + ID_DIGITS, "\n", 2);
	return 0;
}

int identity_renew(const char *root, struct err *err)
{
	CLEANUP_FD int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char id[ID_DIGITS + 2];
	int rc = 0;

	if (top < 0 || make_id(id) < 0)
		return err_sys(err, errno, "machine-id");
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		CLEANUP_FD int dir = open_folder(top, ids[i].dir);
		struct stat st;

		if (dir >= 0 && has_id(dir, ids[i].name, &st) &&
		    replace_id(dir, ids[i].name, id, &st) < 0)
			rc = err_sys(err, errno, "/%s/%s", ids[i].dir,
				     ids[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		CLEANUP_FD int dir = open_folder(top, seeds[i].dir);

		if (dir >= 0 && unlinkat(dir, seeds[i].name, 0) < 0 &&
		    errno != ENOENT)
			rc = err_sys(err, errno, "/%s/%s", seeds[i].dir,
				     seeds[i].name);
	}
	return rc;
}
