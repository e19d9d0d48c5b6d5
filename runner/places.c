/* SPDX-License-Identifier: MIT */
/*
 * runner/places.c - the folders of the runner, and walking through them
 *
 * podflared, loop thread.  They are the user's own; the runtime folder, which
 * may lie in /tmp, is checked by path_place().
 */
#include "runner/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"

#define SPACE_MIN (16 * MIB)	/* free on the data disk to start at all */
#define PROBE ".tmp-probe"

/* Return: an open folder, -1 with @err. @path: malloc'ed, may be NULL. */
static int open_place(enum path_place place, const char *sub, char **path,
		      struct err *err)
{
	CLEANUP_FREE char *p = path_place(place, sub, true, err);
	int fd;

	if (!p)
		return -1;
	fd = open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "%s", p);
	if (path)
		*path = steal_ptr(&p);
	return fd;
}

/* A disk may say it has room and refuse all the same (quota). */
static int probe_write(const struct places *p, struct err *err)
{
	static const char block[65536];
	int fd = openat(p->data_fd, PROBE,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int saved = 0;

	if (fd < 0)
		return err_sys(err, errno, "%s", p->data);
	if (write(fd, block, sizeof(block)) != sizeof(block))
		saved = errno ? errno : ENOSPC;
	if (close(fd) < 0 && !saved)
		saved = errno;
	unlinkat(p->data_fd, PROBE, 0);
	return saved ? err_sys(err, saved, "%s", p->data) : 0;
}

int places_check_space(const struct places *p, uint64_t bytes, struct err *err)
{
	struct statvfs st;
	uint64_t left;

	if (fstatvfs(p->data_fd, &st) < 0)
		return err_sys(err, errno, "%s", p->data);
	left = (uint64_t)st.f_bavail * st.f_frsize;
	if (left >= bytes)
		return 0;
	err_set(err, ERR_NO_SPACE, "%s: the disk is full (%llu MiB free)",
		p->data, (unsigned long long)(left / MIB));
	return err_hint(err, "free some space, or set XDG_DATA_HOME to a folder "
			"on another disk");
}

int places_open(struct places *p, struct err *err)
{
	*p = (struct places){ .data_fd = -1, .images_fd = -1, .disks_fd = -1,
			      .sandboxes_fd = -1, .points_fd = -1,
			      .templates_fd = -1, .snapshots_fd = -1,
			      .runtime_fd = -1, .vm_fd = -1 };
	p->data_fd = open_place(PATH_DATA, NULL, &p->data, err);
	if (p->data_fd < 0)
		return -1;
	if (places_check_space(p, SPACE_MIN, err) < 0 || probe_write(p, err) < 0)
		return -1;
	p->images_fd = open_place(PATH_DATA, "images", NULL, err);
	p->disks_fd = p->images_fd < 0 ? -1 :
		open_place(PATH_DATA, "disks", NULL, err);
	p->sandboxes_fd = p->disks_fd < 0 ? -1 :
		open_place(PATH_DATA, "sandboxes", NULL, err);
	p->points_fd = p->sandboxes_fd < 0 ? -1 :
		open_place(PATH_DATA, "points", NULL, err);
	p->templates_fd = p->points_fd < 0 ? -1 :
		open_place(PATH_DATA, "templates", NULL, err);
	p->snapshots_fd = p->templates_fd < 0 ? -1 :
		open_place(PATH_DATA, "snapshots", NULL, err);
	p->vm_fd = p->snapshots_fd < 0 ? -1 :
		open_place(PATH_RUNTIME, "vm", NULL, err);
	p->runtime_fd = p->vm_fd < 0 ? -1 :
		open_place(PATH_RUNTIME, NULL, NULL, err);
	return p->runtime_fd < 0 ? -1 : 0;
}

void places_close(struct places *p)
{
	int fds[] = { p->data_fd, p->images_fd, p->disks_fd, p->sandboxes_fd,
		      p->points_fd, p->templates_fd, p->snapshots_fd,
		      p->runtime_fd, p->vm_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(p->data);
}

DIR *places_opendir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d && fd >= 0)
		close(fd);
	return d;
}

void places_boot_id(char *out, size_t size)
{
	CLEANUP_FILE FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	/* without it a restart is told by pid and start time alone */
	if (!f || !fgets(out, (int)size, f))
		snprintf(out, size, "unknown");
	out[strcspn(out, "\n")] = '\0';
}
