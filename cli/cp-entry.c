/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-entry.c - one member of an archive becomes a file
 *
 * Runs in the CLI.  Distrusts the member: its type, mode, size, link target.
 *
 * Theory of operation: files and links are made under a name of our own choice
 * (O_EXCL) and renamed over the final one.  So nothing that stands there is
 * ever written through, and what is interrupted leaves the old file as it was.
 */
#include "cli/cp-entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define LATE_MAX 1000000	/* folders in one copy */
#define HOLE 4096		/* zeros of this size are not written */

static struct timespec mtime_of(struct archive_entry *e)
{
	struct timespec t = { .tv_nsec = UTIME_NOW };

	if (archive_entry_mtime_is_set(e)) {
		t.tv_sec = archive_entry_mtime(e);
		t.tv_nsec = archive_entry_mtime_nsec(e);
		if (t.tv_nsec < 0 || t.tv_nsec > 999999999)
			t.tv_nsec = 0;
	}
	return t;
}

static void set_mtime(int fd, struct timespec mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, mtime };

	/* a file system that keeps no such time is no reason to fail */
	(void)futimens(fd, times);
}

static void temporary_name(char name[40])
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint64_t)getpid();
	snprintf(name, 40, ".podflare-%016llx", (unsigned long long)r);
}

/* Give the finished object its final name. */
static int put_in_place(int parent, const char *temporary,
			const struct member *m, struct err *err)
{
	int saved = 0;

	if (renameat(parent, temporary, parent, m->last) < 0)
		saved = errno;
	/* two names of one inode: rename(2) does nothing and leaves both */
	unlinkat(parent, temporary, 0);
	if (saved == EISDIR)
		return err_set(err, ERR_EXISTS, "%.200s: cannot copy a file "
			       "over a directory", m->path);
	return saved ? err_sys(err, saved, "%.200s", m->path) : 0;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && !memcmp(p, p + 1, len - 1));
}

/* Write, but leave holes where whole blocks are zero. */
static int write_sparse(int fd, const uint8_t *p, size_t len, off_t at)
{
	while (len) {
		size_t part = MIN(len, HOLE - (size_t)(at % HOLE));
		ssize_t n;

		if (all_zero(p, part)) {
			n = (ssize_t)part;
		} else {
			/* as far as the next zeros, in one go */
			while (part < len &&
			       !all_zero(p + part, MIN(len - part, HOLE)))
				part += MIN(len - part, HOLE);
			n = TEMP_FAILURE_RETRY(pwrite(fd, p, part, at));
			if (n < 0)
				return -1;
		}
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int archive_failed(struct archive *a, struct err *err)
{
	if (err && err->code != ERR_NONE)
		return -1;
	return err_set(err, ERR_GUEST, "the sandbox sent a bad archive: %s",
		       archive_error_string(a));
}

static int write_file(struct archive *a, struct archive_entry *e, int fd,
		      const struct member *m, struct err *err)
{
	la_int64_t size = archive_entry_size(e), at;
	const void *data;
	size_t len;
	int rc;

	while ((rc = archive_read_data_block(a, &data, &len, &at)) ==
		       ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		if (at < 0 || at > size || (la_int64_t)len > size - at)
			return err_set(err, ERR_GUEST, "the sandbox sent a bad "
				       "archive: %.200s is longer than it says",
				       m->path);
		if (write_sparse(fd, data, len, at) < 0)
			return err_sys(err, errno, "%.200s", m->path);
	}
	if (rc != ARCHIVE_EOF)
		return archive_failed(a, err);
	if (ftruncate(fd, size) < 0)
		return err_sys(err, errno, "%.200s", m->path);
	return 0;
}

static int make_file(int parent, struct archive *a, struct archive_entry *e,
		     const struct member *m, struct err *err)
{
	CLEANUP_FD int fd = -1;
	char temporary[40];

	temporary_name(temporary);
	fd = openat(parent, temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "%.200s", m->path);
	if (write_file(a, e, fd, m, err) < 0)
		goto undo;
	if (fchmod(fd, archive_entry_perm(e) & 0777) < 0) {
		err_sys(err, errno, "%.200s", m->path);
		goto undo;
	}
	set_mtime(fd, mtime_of(e));
	return put_in_place(parent, temporary, m, err);
undo:
	unlinkat(parent, temporary, 0);
	return -1;
}

static int make_symlink(int parent, struct archive_entry *e,
			const struct member *m, struct err *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, mtime_of(e) };
	char temporary[40];

	temporary_name(temporary);
	if (symlinkat(archive_entry_symlink(e), parent, temporary) < 0)
		return err_sys(err, errno, "%.200s", m->path);
	(void)utimensat(parent, temporary, times, AT_SYMLINK_NOFOLLOW);
	return put_in_place(parent, temporary, m, err);
}

static int make_hardlink(struct extract *x, int parent,
			 const struct member *target, const struct member *m,
			 const char **why, struct err *err)
{
	CLEANUP_FD int from = member_open_parent(x->folder, target, err);
	char temporary[40];
	struct stat st;

	if (from < 0)
		return -1;
	if (fstatat(from, target->last, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		*why = "a hard link to what is not in the copy";
		return 1;
	}
	temporary_name(temporary);
	if (linkat(from, target->last, parent, temporary, 0) < 0)
		return err_sys(err, errno, "%.200s", m->path);
	return put_in_place(parent, temporary, m, err);
}

static int put_off(struct late_folders *late, const struct member *m,
		   struct archive_entry *e, struct err *err)
{
	struct late_folder *f;

	if (late->n == LATE_MAX)
		return err_set(err, ERR_LIMIT, "more than %d folders",
			       LATE_MAX);
	if (late->n == late->cap) {
		size_t cap = late->cap ? 2 * late->cap : 64;

		f = realloc(late->v, cap * sizeof(*f));
		if (!f)
			return err_sys(err, ENOMEM, "cp");
		late->v = f;
		late->cap = cap;
	}
	f = &late->v[late->n];
	f->path = strdup(m->path);
	if (!f->path)
		return err_sys(err, ENOMEM, "cp");
	f->mode = archive_entry_perm(e) & 01777;
	f->mtime = mtime_of(e);
	late->n++;
	return 0;
}

static int make_folder(int parent, struct archive_entry *e,
		       const struct member *m, struct late_folders *late,
		       struct err *err)
{
	struct stat st;

	if (mkdirat(parent, m->last, 0700) == 0)
		return put_off(late, m, e, err);
	if (errno == EEXIST &&
	    fstatat(parent, m->last, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		return err_set(err, ERR_EXISTS, "%.200s: cannot copy a "
			       "directory over a file", m->path);
	}
	return err_sys(err, errno, "%.200s", m->path);
}

/* Return: why the member is not made at all, NULL when it is. */
static const char *refuse(const struct extract *x, struct archive_entry *e,
			  const struct member *m)
{
	mode_t type = archive_entry_filetype(e);

	if (archive_entry_hardlink(e))
		return NULL;
	if (type == AE_IFREG && archive_entry_perm(e) & (S_ISUID | S_ISGID))
		return "a set-user-ID or set-group-ID file";
	if (type == AE_IFLNK && !archive_entry_symlink(e))
		return "a symbolic link without a target";
	if (type == AE_IFLNK)
		return member_link_refused(m, x->only,
					   archive_entry_symlink(e));
	if (type == AE_IFIFO || type == AE_IFSOCK)
		return "a named pipe or socket";
	if (type != AE_IFREG && type != AE_IFDIR)
		return "a device node";
	return NULL;
}

/* See cp-entry.h. */
int entry_make(struct extract *x, struct archive *a, struct archive_entry *e,
	       const struct member *m, struct late_folders *late,
	       const char **why, struct err *err)
{
	CLEANUP_MEMBER struct member target = { 0 };
	CLEANUP_FD int parent = -1;

	*why = refuse(x, e, m);
	if (*why)
		return 1;
	if (archive_entry_hardlink(e) &&
	    member_parse(archive_entry_hardlink(e), x->only, &target, err) < 0)
		return -1;
	parent = member_open_parent(x->folder, m, err);
	if (parent < 0)
		return -1;
	if (archive_entry_hardlink(e) && target.depth)
		return make_hardlink(x, parent, &target, m, why, err);
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return make_file(parent, a, e, m, err);
	case AE_IFLNK:
		return make_symlink(parent, e, m, err);
	case AE_IFDIR:
		return make_folder(parent, e, m, late, err);
	default:
		*why = "a hard link to the folder itself";
		return 1;
	}
}

/* See cp-entry.h. */
void late_folders_finish(struct late_folders *late, int folder)
{
	while (late->n) {
		struct late_folder *f = &late->v[--late->n];
		int fd = member_open(folder, f->path, O_RDONLY | O_DIRECTORY);

		if (fd >= 0) {
			(void)fchmod(fd, f->mode);
			set_mtime(fd, f->mtime);
			close(fd);
		}
		free(f->path);
	}
	free(late->v);
	*late = (struct late_folders){ 0 };
}
