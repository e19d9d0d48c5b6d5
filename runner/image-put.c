/* SPDX-License-Identifier: MIT */
/*
 * runner/image-put.c - receive an image's files and check them
 *
 * podflared, work thread.  Distrusts the client: sizes and digests are those of
 * image.json, whose own digest is the image's name; a client that falls silent
 * is given up.  Until all is checked and synced, the folder has a temporary
 * name.
 */
#include "runner/image-put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sha2.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "runner/names.h"
#include "runner/places.h"
#include "runner/upload.h"

#define PUT_PREFIX ".tmp-put-"
#define GONE_PREFIX ".rm-"
#define STALE_S (24 * 3600)

static int write_all(int fd, const uint8_t *p, size_t len)
{
	ssize_t n;

	for (; len; p += n, len -= (size_t)n) {
		n = TEMP_FAILURE_RETRY(write(fd, p, len));
		if (n < 0)
			return -1;
	}
	return 0;
}

static int receive_data(struct image_stream *s, const struct image_file *file,
			int fd, SHA2_CTX *sha, struct err *err)
{
	uint64_t left = file->size;
	struct frame f;

	for (;;) {
		if (upload_frame(s->fd, &s->in, &f, err) < 0)
			return -1;
		if (f.type == AGENT_END && f.len == 0)
			break;
		if (f.type != AGENT_DATA)
			return err_set(err, ERR_PROTOCOL,
				       "frame of type %u in an image", f.type);
		if (f.len > left)
			return err_set(err, ERR_USAGE,
				       "longer than its %llu bytes",
				       (unsigned long long)file->size);
		if (write_all(fd, f.data, f.len) < 0)
			return err_sys(err, errno, "cannot write");
		SHA256Update(sha, f.data, f.len);
		left -= f.len;
	}
	if (left)
		return err_set(err, ERR_USAGE, "shorter than its %llu bytes",
			       (unsigned long long)file->size);
	return 0;
}

static int receive_file(struct image_stream *s, const struct image_file *file,
			int dirfd, struct err *err)
{
	CLEANUP_FD int fd = openat(dirfd, file->name,
				   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				   0400);
	char hex[SHA256_DIGEST_STRING_LENGTH];
	SHA2_CTX sha;

	if (fd < 0)
		return err_sys(err, errno, "%s", file->name);
	SHA256Init(&sha);
	if (receive_data(s, file, fd, &sha, err) < 0)
		return err_context(err, "%s", file->name);
	SHA256End(&sha, hex);
	if (strcmp(hex, file->sha256) != 0)
		return err_set(err, ERR_USAGE,
			       "%s: its digest is not that of image.json",
			       file->name);
	if (fsync(fd) < 0)
		return err_sys(err, errno, "%s", file->name);
	return 0;
}

static int receive_all(int images_fd, const char *tmp, const char *digest,
		       const char *text, size_t len, struct image_stream *s,
		       struct err *err)
{
	CLEANUP_FD int dirfd = -1;

	if (mkdirat(images_fd, tmp, 0700) < 0)
		return err_sys(err, errno, "images/%s", tmp);
	dirfd = openat(images_fd, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(err, errno, "images/%s", tmp);
	for (size_t i = 0; i < s->nr_files; i++)
		if (receive_file(s, s->order[i], dirfd, err) < 0)
			return -1;
	/* syncs the folder, too */
	if (path_write_file(dirfd, "image.json", text, len, 0400, err) < 0)
		return -1;
	if (renameat(images_fd, tmp, images_fd, digest) < 0 &&
	    errno != EEXIST && errno != ENOTEMPTY)
		return err_sys(err, errno, "images/%s", digest);
	if (fsync(images_fd) < 0)
		return err_sys(err, errno, "images");
	return 0;
}

int image_receive(int images_fd, const struct image *img, const char *text,
		  size_t len, struct image_stream *s, struct err *err)
{
	char tmp[sizeof(PUT_PREFIX) + 32];
	int rc;

	/* two of the same at once: each its own folder */
	snprintf(tmp, sizeof(tmp), PUT_PREFIX "%.12s-%d", img->digest + 7,
		 s->fd);
	rc = receive_all(images_fd, tmp, img->digest, text, len, s, err);
	/* also when somebody else was faster */
	path_remove_tree(images_fd, tmp, NULL);
	return rc < 0 ? err_context(err, "image") : 0;
}

int image_retire(int images_fd, const char *digest, char *gone,
		 struct err *err)
{
	char id[SANDBOX_ID_LEN + 1];

	/* the same image may have been put again while its folder still goes */
	names_id(id);
	snprintf(gone, IMAGE_GONE_MAX, GONE_PREFIX "%s-%s", digest, id);
	if (renameat(images_fd, digest, images_fd, gone) < 0)
		return err_sys(err, errno, "images/%s", digest);
	return 0;
}

int image_destroy(int images_fd, const char *gone, struct err *err)
{
	return path_remove_tree(images_fd, gone, err);
}

int image_sync_names(int images_fd, struct err *err)
{
	CLEANUP_FD int fd = openat(images_fd, "names",
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(err, errno, "images/names");
	return 0;
}

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

void image_clean(int images_fd)
{
	CLEANUP_DIR DIR *d = places_opendir(images_fd, ".");
	struct err err = ERR_INIT;
	struct dirent *e;
	struct stat st;
	bool stale;

	while (d && (e = readdir(d))) {
		/* a build that goes on right now is not ours to remove */
		stale = begins(e->d_name, ".tmp-") &&
			fstatat(images_fd, e->d_name, &st,
				AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_mtime < time(NULL) - STALE_S;
		if (!stale && !begins(e->d_name, PUT_PREFIX) &&
		    !begins(e->d_name, GONE_PREFIX))
			continue;
		if (path_remove_tree(images_fd, e->d_name, &err) < 0)
			log_warn("images: %s", err.msg);
	}
}
