/* SPDX-License-Identifier: MIT */
/*
 * runner/disk.c - the empty file systems under the sandboxes' disks
 *
 * podflared, loop thread; syncing is done on a work thread.  Distrusts mke2fs
 * to be there and to end.
 */
#include "runner/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "runner/child.h"
#include "runner/names.h"
#include "runner/places.h"

#define MKE2FS_MS 120000
#define TMP_PREFIX ".tmp-"

struct disk_wait {
	LIST_ENTRY(disk_wait) link;
	disk_cb cb;
	void *arg;
};

struct disk_build {
	LIST_ENTRY(disk_build) link;
	LIST_HEAD(, disk_wait) waits;
	struct runner *runner;
	struct child *child;
	struct work_job sync;
	struct err err;
	uint64_t bytes;
	int dirfd;	/* the store's */
	char name[DISK_NAME_MAX];
	char tmp[DISK_NAME_MAX + 8];
};

int disk_base_find(struct runner *r, uint64_t bytes, char *name)
{
	CLEANUP_DIR DIR *d = places_opendir(r->places.disks_fd, ".");
	char prefix[48];
	struct dirent *e;

	snprintf(prefix, sizeof(prefix), "ext4-%llu-",
		 (unsigned long long)bytes);
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
		    strlen(e->d_name) >= DISK_NAME_MAX)
			continue;
		snprintf(name, DISK_NAME_MAX, "%s", e->d_name);
		return 0;
	}
	return -1;
}

int disk_base_open(struct runner *r, const char *name, struct err *err)
{
	int fd;

	if (strncmp(name, "ext4-", 5) != 0 || strchr(name, '/'))
		return err_set(err, ERR_IO, "disk %s: not a base", name);
	fd = openat(r->places.disks_fd, name,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, errno, "%s/disks/%s", r->places.data, name);
		err_hint(err, "the sandbox's disk was begun on this file; "
			 "without it the disk cannot be read");
	}
	return fd;
}

/* Tell everybody and free. */
static void build_end(struct disk_build *b, const struct err *err)
{
	struct disk_wait *w;

	LIST_REMOVE(b, link);
	if (err)
		unlinkat(b->dirfd, b->tmp, 0);
	while ((w = LIST_FIRST(&b->waits))) {
		LIST_REMOVE(w, link);
		w->cb(w->arg, err);
		free(w);
	}
	free(b);
}

/* Work thread: it must be on disk before any layer is begun on it. */
static void sync_run(struct work_job *j)
{
	struct disk_build *b = container_of(j, struct disk_build, sync);
	CLEANUP_FD int fd = openat(b->dirfd, b->tmp, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0 || fchmod(fd, 0400) < 0 ||
	    renameat(b->dirfd, b->tmp, b->dirfd, b->name) < 0 ||
	    fsync(b->dirfd) < 0)
		err_sys(&b->err, errno, "%s", b->name);
}

static void sync_done(struct work_job *j)
{
	struct disk_build *b = container_of(j, struct disk_build, sync);

	build_end(b, b->err.code ? &b->err : NULL);
}

static void child_done(void *arg, const struct err *err)
{
	struct disk_build *b = arg;

	b->child = NULL;
	if (err) {
		struct err e = *err;

		err_context(&e, "cannot make an empty disk");
		build_end(b, &e);
		return;
	}
	b->sync.run = sync_run;
	b->sync.done = sync_done;
	work_submit(&b->runner->work, WORK_BULK, &b->sync);
}

static int find_mke2fs(char *out, size_t size, struct err *err)
{
	static const char extra[] = ":/sbin:/usr/sbin:/usr/local/sbin";
	const char *path = getenv("PATH");
	CLEANUP_FREE char *all = NULL;
	char *dir, *save = NULL;

	if (asprintf(&all, "%s%s", path ? path : "", extra) < 0)
		return err_set(err, ERR_NO_MEMORY, "mke2fs");
	for (dir = strtok_r(all, ":", &save); dir;
	     dir = strtok_r(NULL, ":", &save)) {
		snprintf(out, size, "%s/mke2fs", dir);
		if (dir[0] == '/' && access(out, X_OK) == 0)
			return 0;
	}
	err_set(err, ERR_NOT_FOUND, "mke2fs: not found");
	return err_hint(err, "install the package e2fsprogs");
}

/*
 * An image file of holes: mke2fs may skip writing inode tables and journal
 * (lazy_*), and, since discarding a file makes holes, marks the tables as
 * zeroed, so that the guest's kernel does not write them either. Metadata
 * packed at the front keeps the layer's data together. The journal is small,
 * as each of its blocks is copied on write once per sandbox.
 */
static int start_mke2fs(struct disk_build *b, struct err *err)
{
	uint64_t journal = MIN(MAX(b->bytes / MIB / 256, 4), 32);
	char program[PATH_MAX], opt_journal[32], path[PATH_MAX];
	const char *argv[] = {
		program, "-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096",
		"-O", "^resize_inode", "-J", opt_journal, "-E",
		"lazy_itable_init=1,lazy_journal_init=1,packed_meta_blocks=1,"
		"root_owner=0:0", path, NULL,
	};

	if (find_mke2fs(program, sizeof(program), err) < 0)
		return -1;
	snprintf(opt_journal, sizeof(opt_journal), "size=%llu",
		 (unsigned long long)journal);
	if (snprintf(path, sizeof(path), "%s/disks/%s", b->runner->places.data,
		     b->tmp) >= (int)sizeof(path))
		return err_sys(err, ENAMETOOLONG, "%s", b->tmp);
	b->child = child_start(&b->runner->loop, argv, MKE2FS_MS, child_done,
			       b, err);
	return b->child ? 0 : -1;
}

static struct disk_build *build_start(struct runner *r, uint64_t bytes,
				      struct err *err)
{
	struct disk_build *b = calloc(1, sizeof(*b));
	char id[SANDBOX_ID_LEN + 1];
	CLEANUP_FD int fd = -1;

	if (!b) {
		err_set(err, ERR_NO_MEMORY, "disk");
		return NULL;
	}
	b->runner = r;
	b->bytes = bytes;
	b->dirfd = r->places.disks_fd;
	names_id(id);
	snprintf(b->name, sizeof(b->name), "ext4-%llu-%s.img",
		 (unsigned long long)bytes, id);
	snprintf(b->tmp, sizeof(b->tmp), TMP_PREFIX "%s", b->name);
	fd = openat(b->dirfd, b->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0) {
		err_sys(err, errno, "%s/disks/%s", r->places.data, b->tmp);
		goto fail;
	}
	if (start_mke2fs(b, err) < 0)
		goto fail;
	LIST_INIT(&b->waits);
	LIST_INSERT_HEAD(&r->disk_builds, b, link);
	return b;
fail:
	unlinkat(b->dirfd, b->tmp, 0);
	free(b);
	return NULL;
}

struct disk_wait *disk_base_make(struct runner *r, uint64_t bytes, disk_cb cb,
				 void *arg, struct err *err)
{
	struct disk_wait *w = calloc(1, sizeof(*w));
	struct disk_build *b;

	if (!w) {
		err_set(err, ERR_NO_MEMORY, "disk");
		return NULL;
	}
	LIST_FOREACH(b, &r->disk_builds, link)
		if (b->bytes == bytes)
			break;
	if (!b)
		b = build_start(r, bytes, err);
	if (!b) {
		free(w);
		return NULL;
	}
	w->cb = cb;
	w->arg = arg;
	LIST_INSERT_HEAD(&b->waits, w, link);
	return w;
}

void disk_wait_cancel(struct disk_wait *w)
{
	/* what is being made is of use to the next one */
	LIST_REMOVE(w, link);
	free(w);
}

void disk_cancel_all(struct runner *r)
{
	struct disk_build *b, *next;
	struct err err = ERR_INIT;

	err_set(&err, ERR_CANCELLED, "the runner ends");
	for (b = LIST_FIRST(&r->disk_builds); b; b = next) {
		next = LIST_NEXT(b, link);
		if (!b->child)
			continue;	/* its job is finished by work_free() */
		child_cancel(b->child);
		build_end(b, &err);
	}
}

void disk_clean(struct runner *r)
{
	CLEANUP_DIR DIR *d = places_opendir(r->places.disks_fd, ".");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0)
			unlinkat(r->places.disks_fd, e->d_name, 0);
}
