/* SPDX-License-Identifier: MIT */
/*
 * machine/host-resources.c - memory, disk and logs of the machine
 *
 * Supervisor, at start-up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"
#include "machine/host.h"
#include "machine/inputs.h"

#define MEMORY_MIN (2 * GIB)
#define MEMORY_MAX (6 * GIB)
#define OVERHEAD (512 * MIB)	/* QEMU's own: translated code, buffers */
#define DISK_SIZE "64G"
#define LOCK_MS 3000

/* A value of /proc/meminfo in bytes, 0 when it is not there. */
static uint64_t meminfo(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoull(p + strlen(name), NULL, 10) * KIB : 0;
}

/* What a container may still use; UINT64_MAX without a limit. */
static uint64_t cgroup_left(void)
{
	CLEANUP_BUF struct buf max = BUF_INIT;
	CLEANUP_BUF struct buf now = BUF_INIT;
	uint64_t limit, used;

	if (path_read_file(AT_FDCWD, "/sys/fs/cgroup/memory.max", 64, &max,
			   NULL) < 0 ||
	    path_read_file(AT_FDCWD, "/sys/fs/cgroup/memory.current", 64, &now,
			   NULL) < 0)
		return UINT64_MAX;
	limit = strtoull(buf_str(&max), NULL, 10);
	used = strtoull(buf_str(&now), NULL, 10);
	if (!limit)		/* "max" */
		return UINT64_MAX;
	return limit > used ? limit - used : 0;
}

static int too_little(uint64_t want, uint64_t left, struct err *err)
{
	err_set(err, ERR_NO_MEMORY, "the emulated machine needs %llu MiB of "
		"memory and %llu MiB more for QEMU; %llu MiB are available",
		(unsigned long long)(want / MIB),
		(unsigned long long)(OVERHEAD / MIB),
		(unsigned long long)(left / MIB));
	return err_hint(err, "end other programs, or give it less: "
			"PODFLARE_MACHINE_MEMORY=1G");
}

int host_memory(uint64_t want, uint64_t *bytes, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	uint64_t total, left;

	if (path_read_file(AT_FDCWD, "/proc/meminfo", 64 * KIB, &text,
			   err) < 0)
		return -1;
	total = meminfo(buf_str(&text), "MemTotal:");
	left = MIN(meminfo(buf_str(&text), "MemAvailable:"), cgroup_left());
	if (!want) {
		want = MAX(MIN(total / 4, MEMORY_MAX), MEMORY_MIN);
		/* by default, be content with what there is */
		if (left < want + OVERHEAD && left > MEMORY_MIN + OVERHEAD)
			want = left - OVERHEAD;
	}
	if (left < want + OVERHEAD)
		return too_little(want, left, err);
	*bytes = ALIGN_DOWN(want, 2 * MIB);
	return 0;
}

/* mke2fs on a sparse file: what is not written stays a hole. */
static int make_disk(const char *path, struct err *err)
{
	CLEANUP_FREE char *mke2fs = inputs_search("mke2fs");
	const char *argv[] = { mke2fs, "-q", "-F", "-t", "ext4", "-m", "0",
			       "-L", "podflare", "-J", "size=64", "-E",
			       "discard,lazy_journal_init=1", path, DISK_SIZE,
			       NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (!mke2fs) {
		err_set(err, ERR_NOT_FOUND, "mke2fs is not installed");
		return err_hint(err, "sudo apt install e2fsprogs");
	}
	return inputs_run(argv, &out, err);
}

char *host_disk(struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_DATA, "machine", true, err);
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *tmp = NULL;

	if (!dir)
		return NULL;
	if (asprintf(&path, "%s/disk.img", dir) < 0 ||
	    asprintf(&tmp, "%s.tmp", path) < 0) {
		err_sys(err, ENOMEM, "disk");
		return NULL;
	}
	if (access(path, F_OK) == 0)
		return steal_ptr(&path);
	if (unlink(tmp) < 0 && errno != ENOENT) {
		err_sys(err, errno, "%s", tmp);
		return NULL;
	}
	if (make_disk(tmp, err) < 0) {
		err_context(err, "the machine's disk");
		unlink(tmp);
		return NULL;
	}
	if (chmod(tmp, 0600) < 0 || rename(tmp, path) < 0) {
		err_sys(err, errno, "%s", path);
		unlink(tmp);
		return NULL;
	}
	return steal_ptr(&path);
}

static int refuse_second(const char *path, int fd, struct err *err)
{
	char line[PATH_MAX] = "";

	if (pread(fd, line, sizeof(line) - 1, 0) < 0)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	err_set(err, ERR_BUSY, "another emulated machine uses the disk of %s",
		path);
	return err_hint(err, "its sockets are in %.300s: set XDG_RUNTIME_DIR "
			"as it was set there", line);
}

int host_disk_lock(struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_DATA, "machine", true, err);
	CLEANUP_FREE char *runtime = dir ? path_place(PATH_RUNTIME, "machine",
						      false, err) : NULL;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FD int fd = -1;

	if (!runtime)
		return -1;
	if (asprintf(&path, "%s/" HOST_LOCK, dir) < 0)
		return err_sys(err, ENOMEM, "disk");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	/* a QEMU that was killed may take a moment to end */
	for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; ms += 20) {
		if (errno != EWOULDBLOCK)
			return err_sys(err, errno, "%s", path);
		if (ms >= LOCK_MS)
			return refuse_second(path, fd, err);
		usleep(20000);
	}
	/* for the error of the next one, which can do without */
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%s\n", runtime) < 0)
		log_debug("%s: %s", path, strerror(errno));
	return steal_fd(&fd);
}

char *host_log_path(const char *name, struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_STATE, "machine", true, err);
	char *path;
	struct stat st;

	if (!dir)
		return NULL;
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		err_sys(err, ENOMEM, "log");
		return NULL;
	}
	/* written by O_APPEND: cutting it is safe at any time */
	if (stat(path, &st) == 0 && st.st_size > HOST_LOG_MAX &&
	    truncate(path, 0) < 0)
		log_warn("%s: %s", path, strerror(errno));
	return path;
}
