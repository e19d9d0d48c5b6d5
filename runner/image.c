/* SPDX-License-Identifier: MIT */
/*
 * runner/image.c - the store of docs/image-format.md
 *
 * podflared, loop thread (image_parse() also on others).  Distrusts image.json,
 * which comes from a client: known file names, bounded texts, digests that are
 * digests; nothing in it is ever used as a path unchecked.
 */
#include "runner/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <sha2.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "runner/places.h"

#define NAMES_DIR "names"
#define FORMAT 1

static const char *const known_files[IMAGE_FILES_MAX] = {
	"base.img", "vmlinux", "vmlinuz", "modules.cpio", "machine.cpio",
};

void image_free(struct image *img)
{
	json_decref(img->json);
	*img = (struct image){ .nr_files = 0 };
}

static bool is_hex(const char *s, size_t len)
{
	return strlen(s) == len && strspn(s, "0123456789abcdef") == len;
}

/* Copy a text member. Return: 0, or -1 with @err. */
static int get_text(const json_t *obj, const char *key, bool required,
		    char *out, size_t size, struct err *err)
{
	json_t *v = json_object_get(obj, key);

	if (!v && !required)
		return 0;
	if (!json_is_string(v) || json_string_length(v) >= size)
		return err_set(err, ERR_USAGE,
			       "image.json: \"%s\" must be a text of at most "
			       "%zu bytes", key, size - 1);
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return 0;
}

static int parse_file(struct image *img, const char *name, const json_t *v,
		      struct err *err)
{
	struct image_file *f = &img->files[img->nr_files];
	json_t *size = json_object_get(v, "size");
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(known_files); i++)
		known = known || strcmp(known_files[i], name) == 0;
	if (!known)
		return err_set(err, ERR_USAGE,
			       "image.json: unknown file \"%.64s\"", name);
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return err_set(err, ERR_USAGE, "image.json: size of %s", name);
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->size = (uint64_t)json_integer_value(size);
	if (get_text(v, "sha256", true, f->sha256, sizeof(f->sha256), err) < 0)
		return -1;
	if (!is_hex(f->sha256, 64))
		return err_set(err, ERR_USAGE, "image.json: sha256 of %s",
			       name);
	img->nr_files++;
	return 0;
}

static int parse_files(struct image *img, struct err *err)
{
	json_t *files = json_object_get(img->json, "files"), *v;
	uint64_t total = 0;
	const char *name;

	if (!json_is_object(files) ||
	    json_object_size(files) > IMAGE_FILES_MAX)
		return err_set(err, ERR_USAGE, "image.json: \"files\"");
	json_object_foreach(files, name, v) {
		if (parse_file(img, name, v, err) < 0)
			return -1;
		total += img->files[img->nr_files - 1].size;
		if (img->files[img->nr_files - 1].size > IMAGE_SIZE_MAX ||
		    total > IMAGE_SIZE_MAX)
			return err_set(err, ERR_LIMIT,
				       "image: over %llu GiB",
				       IMAGE_SIZE_MAX / GIB);
	}
	if (!image_has(img, "base.img") || !image_has(img, "modules.cpio") ||
	    !(image_has(img, "vmlinux") || image_has(img, "vmlinuz")))
		return err_set(err, ERR_USAGE,
			       "image.json: base.img, modules.cpio and a "
			       "kernel (vmlinux or vmlinuz) are needed");
	return 0;
}

static int parse_env(struct image *img, struct err *err)
{
	const char *key;
	json_t *v;

	img->env = json_object_get(img->json, "env");
	if (!img->env) {
		img->env = json_object();
		json_object_set_new(img->json, "env", img->env);
	}
	if (!json_is_object(img->env))
		return err_set(err, ERR_USAGE, "image.json: \"env\"");
	json_object_foreach(img->env, key, v)
		if (!json_is_string(v) || !*key || strchr(key, '='))
			return err_set(err, ERR_USAGE,
				       "image.json: \"env\": %.64s", key);
	return 0;
}

int image_parse(const char *text, size_t len, struct image *img,
		struct err *err)
{
	char hex[SHA256_DIGEST_STRING_LENGTH];
	json_error_t why;

	*img = (struct image){ .nr_files = 0 };
	if (len > IMAGE_JSON_MAX)
		return err_set(err, ERR_LIMIT, "image.json: over %d bytes",
			       IMAGE_JSON_MAX);
	img->json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(img->json)) {
		err_set(err, ERR_USAGE, "image.json: %s",
			img->json ? "not an object" : why.text);
		goto fail;
	}
	if (json_integer_value(json_object_get(img->json, "format")) !=
	    FORMAT) {
		err_set(err, ERR_VERSION, "image.json: format is not %d",
			FORMAT);
		goto fail;
	}
	if (get_text(img->json, "base_type", true, img->base_type,
		     sizeof(img->base_type), err) < 0 ||
	    get_text(img->json, "kernel", true, img->kernel,
		     sizeof(img->kernel), err) < 0 ||
	    get_text(img->json, "user", false, img->user, sizeof(img->user),
		     err) < 0 ||
	    get_text(img->json, "workdir", false, img->workdir,
		     sizeof(img->workdir), err) < 0 ||
	    parse_env(img, err) < 0 || parse_files(img, err) < 0)
		goto fail;
	/* it goes to the kernel's command line */
	if (strcmp(img->base_type, "squashfs") != 0 &&
	    strcmp(img->base_type, "erofs") != 0) {
		err_set(err, ERR_USAGE, "image.json: base_type \"%s\"",
			img->base_type);
		goto fail;
	}
	SHA256Data((const uint8_t *)text, len, hex);
	snprintf(img->digest, sizeof(img->digest), "sha256-%s", hex);
	return 0;
fail:
	image_free(img);
	return -1;
}

bool image_has(const struct image *img, const char *name)
{
	for (size_t i = 0; i < img->nr_files; i++)
		if (strcmp(img->files[i].name, name) == 0)
			return true;
	return false;
}

bool image_digest_valid(const char *s)
{
	return strncmp(s, "sha256-", 7) == 0 && is_hex(s + 7, 64);
}

int image_read_name(struct runner *r, const char *name, char *digest)
{
	char path[128], target[128];
	ssize_t n;

	snprintf(path, sizeof(path), NAMES_DIR "/%s", name);
	n = readlinkat(r->places.images_fd, path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	if (strncmp(target, "../", 3) != 0 || !image_digest_valid(target + 3))
		return -1;
	memcpy(digest, target + 3, IMAGE_DIGEST_LEN + 1);
	return 0;
}

/* Return: 1 found, 0 none, -1 with @err: several. */
static int find_prefix(struct runner *r, const char *ref, char *digest,
		       struct err *err)
{
	CLEANUP_DIR DIR *d = places_opendir(r->places.images_fd, ".");
	const char *digits = strncmp(ref, "sha256-", 7) == 0 ? ref + 7 : ref;
	size_t len = strlen(digits);
	struct dirent *e;
	int found = 0;

	if (!d || len < 4)
		return 0;
	while ((e = readdir(d))) {
		if (!image_digest_valid(e->d_name) ||
		    strncmp(e->d_name + 7, digits, len) != 0)
			continue;
		if (found++)
			return err_set(err, ERR_USAGE,
				       "image %.80s: several begin so", ref);
		memcpy(digest, e->d_name, IMAGE_DIGEST_LEN + 1);
	}
	return found;
}

static int load(struct runner *r, const char *digest, struct image *img,
		struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s/image.json", digest);
	if (path_read_file(r->places.images_fd, path, IMAGE_JSON_MAX, &b,
			   err) < 0 ||
	    image_parse(buf_str(&b), b.len, img, err) < 0)
		return err_context(err, "image %s", digest);
	if (strcmp(img->digest, digest) != 0) {
		image_free(img);
		return err_set(err, ERR_IO,
			       "image %s: its image.json was changed", digest);
	}
	return 0;
}

int image_find(struct runner *r, const char *ref, struct image *img,
	       struct err *err)
{
	char digest[IMAGE_DIGEST_LEN + 1];
	int found;

	if (path_name_valid(ref) && image_read_name(r, ref, digest) == 0)
		return load(r, digest, img, err);
	found = find_prefix(r, ref, digest, err);
	if (found < 0)
		return -1;
	if (found)
		return load(r, digest, img, err);
	err_set(err, ERR_NOT_FOUND, "image %.80s: there is no such image", ref);
	return err_hint(err, "podflare image ls lists them, podflare image "
			"build RECIPE makes one");
}

int image_open(struct runner *r, const struct image *img, const char *name,
	       struct err *err)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", img->digest, name);
	fd = openat(r->places.images_fd, path,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		err_sys(err, errno, "image %s: %s", img->digest, name);
	return fd;
}
