/* SPDX-License-Identifier: MIT */
/*
 * cli/image-store-write.c - the images of this user: adding and removing
 *
 * Runs in the CLI.  All or nothing: a folder gets its final name when all of it
 * is on disk, a name is moved by renaming a link, and what was begun and not
 * completed has a name that the next build removes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sha2.h>

#include "cli/image-store.h"
#include "common/cleanup.h"
#include "common/path.h"

#define TMP_PREFIX ".tmp-build-"
#define LOCK_FILE ".lock"

static void remove_leftovers(const struct store *s)
{
	CLEANUP_DIR DIR *d = opendir(s->path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, TMP_PREFIX, strlen(TMP_PREFIX)))
			path_remove_tree(s->fd, e->d_name, NULL);
}

/* See image-store.h. */
int store_lock(struct store *s, struct job *j, struct err *err)
{
	s->lock = openat(s->fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return err_sys(err, errno, "%s/%s", s->path, LOCK_FILE);
	while (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
		/* a file system without locks: go on, names are unique */
		if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, errno, "%s/%s", s->path, LOCK_FILE);
		progress_step(&j->progress, "waiting for another image build",
			      -1);
		if (job_sleep(j, 200, err) < 0)
			return -1;
	}
	remove_leftovers(s);
	return 0;
}

/* See image-store.h. */
int store_begin(const struct store *s, char *name, struct err *err)
{
	int fd;

	snprintf(name, 32, TMP_PREFIX "%d", (int)getpid());
	if (path_remove_tree(s->fd, name, err) < 0)
		return -1;
	if (mkdirat(s->fd, name, 0700) < 0)
		return err_sys(err, errno, "%s/%s", s->path, name);
	fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "%s/%s", s->path, name) : fd;
}

/* See image-store.h. */
void store_abort(const struct store *s, const char *tmp)
{
	path_remove_tree(s->fd, tmp, NULL);
}

/* Size and digest of one file, which is on disk afterwards. */
static json_t *digest_file(int dirfd, const char *name, struct job *j,
			   struct err *err)
{
	CLEANUP_FD int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW |
					       O_CLOEXEC);
	CLEANUP_FREE uint8_t *chunk = malloc(MIB);
	char text[SHA256_DIGEST_STRING_LENGTH];
	json_int_t size = 0;
	SHA2_CTX ctx;
	ssize_t n = 0;

	if (fd < 0 || !chunk) {
		err_sys(err, fd < 0 ? errno : ENOMEM, "%s", name);
		return NULL;
	}
	SHA256Init(&ctx);
	while ((n = read(fd, chunk, MIB)) > 0) {
		SHA256Update(&ctx, chunk, (size_t)n);
		size += n;
		if (job_wait_fd(j, -1, 0, err) < 0)
			return NULL;
	}
	if (n < 0 || fsync(fd) < 0) {
		err_sys(err, errno, "%s", name);
		return NULL;
	}
	SHA256End(&ctx, text);
	return json_pack("{s:I, s:s}", "size", size, "sha256", text);
}

static int add_files(int fd, json_t *meta, struct job *j, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	CLEANUP_DIR DIR *d = copy < 0 ? NULL : fdopendir(copy);
	json_t *files = json_object(), *one;
	struct dirent *e;

	json_object_set_new(meta, "files", files);
	if (!d)
		return err_sys(err, errno, "image");
	rewinddir(d);
	while ((e = readdir(d))) {
		if (!path_name_valid(e->d_name))
			continue;
		one = digest_file(fd, e->d_name, j, err);
		if (!one)
			return -1;
		json_object_set_new(files, e->d_name, one);
	}
	return 0;
}

static int write_json(int fd, json_t *meta, char dir[STORE_DIR_MAX],
		      struct err *err)
{
	CLEANUP_FREE char *text = json_dumps(meta, JSON_COMPACT |
						     JSON_SORT_KEYS);
	char digest[SHA256_DIGEST_STRING_LENGTH];

	if (!text)
		return err_set(err, ERR_USAGE,
			       "image.json: a text in it is not UTF-8");
	SHA256Data((const uint8_t *)text, strlen(text), digest);
	snprintf(dir, STORE_DIR_MAX, "sha256-%s", digest);
	return path_write_file(fd, "image.json", text, strlen(text), 0600, err);
}

static int point_name(const struct store *s, const char *name, const char *dir,
		      struct err *err)
{
	char target[STORE_DIR_MAX + 4], tmp[64], path[80];

	snprintf(target, sizeof(target), "../%s", dir);
	snprintf(tmp, sizeof(tmp), "names/" TMP_PREFIX "%d", (int)getpid());
	snprintf(path, sizeof(path), "names/%.63s", name);
	unlinkat(s->fd, tmp, 0);
	if (symlinkat(target, s->fd, tmp) < 0)
		return err_sys(err, errno, "%s/%s", s->path, tmp);
	if (renameat(s->fd, tmp, s->fd, path) == 0)
		return 0;
	err_sys(err, errno, "%s/%s", s->path, path);
	unlinkat(s->fd, tmp, 0);
	return -1;
}

static int sync_names(const struct store *s, struct err *err)
{
	CLEANUP_FD int names = openat(s->fd, "names",
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (names < 0 || fsync(names) < 0 || fsync(s->fd) < 0)
		return err_sys(err, errno, "%s", s->path);
	return 0;
}

/* See image-store.h. */
int store_commit(const struct store *s, int fd, const char *tmp, json_t *meta,
		 const char *name, char dir[STORE_DIR_MAX], struct job *j,
		 struct err *err)
{
	progress_step(&j->progress, "storing the image", -1);
	if (add_files(fd, meta, j, err) < 0 ||
	    write_json(fd, meta, dir, err) < 0)
		goto undo;
	if (fsync(fd) < 0) {
		err_sys(err, errno, "%s/%s", s->path, tmp);
		goto undo;
	}
	if (renameat(s->fd, tmp, s->fd, dir) < 0) {
		/* the very same image is there already */
		if (errno != EEXIST && errno != ENOTEMPTY) {
			err_sys(err, errno, "%s/%s", s->path, dir);
			goto undo;
		}
		store_abort(s, tmp);
	}
	if (name && point_name(s, name, dir, err) < 0)
		return -1;
	return sync_names(s, err);
undo:
	store_abort(s, tmp);
	return -1;
}

/* See image-store.h. */
int store_unlink(const struct store *s, const char *name, struct err *err)
{
	char path[80];

	snprintf(path, sizeof(path), "names/%.63s", name);
	if (unlinkat(s->fd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s/%s", s->path, path);
	return sync_names(s, err);
}

/* See image-store.h. */
int store_remove(const struct store *s, const char *dir, struct err *err)
{
	json_t *image = store_show(s, dir, NULL);
	json_t *names = json_object_get(image, "names"), *name;
	char tmp[32];
	size_t i;
	int rc = 0;

	json_array_foreach(names, i, name)
		if (rc == 0)
			rc = store_unlink(s, json_string_value(name), err);
	json_decref(image);
	if (rc < 0)
		return -1;
	/* gone at once under its name, then bit by bit */
	snprintf(tmp, sizeof(tmp), TMP_PREFIX "rm-%d", (int)getpid());
	if (renameat(s->fd, dir, s->fd, tmp) < 0)
		return err_sys(err, errno, "%s/%s", s->path, dir);
	return path_remove_tree(s->fd, tmp, err);
}
