/* SPDX-License-Identifier: MIT */
/*
 * runner/image-names.c - the names of images, and images as the API shows them
 *
 * podflared, loop thread.  A name is a symbolic link in images/names; it is
 * read, never followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "runner/image.h"
#include "runner/places.h"

#define NAMES_DIR "names"

int image_set_name(struct runner *r, const char *name, const char *digest,
		   struct err *err)
{
	int dirfd = r->places.images_fd;
	char path[128], target[128];

	if (mkdirat(dirfd, NAMES_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "images/names");
	snprintf(path, sizeof(path), NAMES_DIR "/%s", name);
	snprintf(target, sizeof(target), "../%s", digest);
	unlinkat(dirfd, NAMES_DIR "/.tmp-name", 0);
	if (symlinkat(target, dirfd, NAMES_DIR "/.tmp-name") < 0 ||
	    renameat(dirfd, NAMES_DIR "/.tmp-name", dirfd, path) < 0)
		return err_sys(err, errno, "image name %s", name);
	return 0;
}

/* Call @cb for each name of @digest. */
static void each_name(struct runner *r, const char *digest,
		      void (*cb)(void *arg, DIR *names, const char *name),
		      void *arg)
{
	CLEANUP_DIR DIR *d = places_opendir(r->places.images_fd, NAMES_DIR);
	char other[IMAGE_DIGEST_LEN + 1];
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (path_name_valid(e->d_name) &&
		    image_read_name(r, e->d_name, other) == 0 &&
		    strcmp(other, digest) == 0)
			cb(arg, d, e->d_name);
}

struct drop {
	const char *only;
	size_t left;
};

static void drop_one(void *arg, DIR *names, const char *name)
{
	struct drop *d = arg;

	if ((!d->only || strcmp(d->only, name) == 0) &&
	    unlinkat(dirfd(names), name, 0) == 0)
		return;
	d->left++;
}

size_t image_drop_names(struct runner *r, const char *digest, const char *only)
{
	struct drop d = { .only = only };

	each_name(r, digest, drop_one, &d);
	return d.left;
}

static void count_one(void *arg, DIR *names, const char *name)
{
	++*(size_t *)arg;
}

size_t image_count_names(struct runner *r, const char *digest)
{
	size_t n = 0;

	each_name(r, digest, count_one, &n);
	return n;
}

struct first {
	char *name;
	size_t size;
};

static void first_one(void *arg, DIR *names, const char *name)
{
	struct first *f = arg;

	if (!*f->name)
		snprintf(f->name, f->size, "%s", name);
}

int image_first_name(struct runner *r, const char *digest, char *name,
		     size_t size)
{
	struct first f = { name, size };

	*name = '\0';
	each_name(r, digest, first_one, &f);
	return *name ? 0 : -1;
}

static void list_one(void *arg, DIR *names, const char *name)
{
	json_array_append_new(arg, json_string(name));
}

json_t *image_to_json(struct runner *r, const struct image *img)
{
	static const char *const copied[] = { "name", "created" };
	json_t *names = json_array(), *obj, *v;
	uint64_t size = 0;

	for (size_t i = 0; i < img->nr_files; i++)
		size += img->files[i].size;
	each_name(r, img->digest, list_one, names);
	obj = json_pack("{s:o, s:s, s:I, s:s, s:s, s:O, s:s, s:s}", "names",
			names, "digest", img->digest, "size",
			(json_int_t)size, "base_type", img->base_type,
			"kernel", img->kernel, "env", img->env, "user",
			img->user, "workdir", img->workdir);
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
		v = json_object_get(img->json, copied[i]);
		json_object_set_new(obj, copied[i],
				    json_is_string(v) ? json_incref(v)
						      : json_string(""));
	}
	return obj;
}

void image_each(struct runner *r,
		void (*cb)(void *arg, const struct image *img), void *arg)
{
	CLEANUP_DIR DIR *d = places_opendir(r->places.images_fd, ".");
	struct err err = ERR_INIT;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		CLEANUP_IMAGE struct image img = { .nr_files = 0 };

		if (!image_digest_valid(e->d_name))
			continue;
		if (image_find(r, e->d_name, &img, &err) < 0)
			log_warn("%s", err.msg);
		else
			cb(arg, &img);
	}
}
