/* SPDX-License-Identifier: MIT */
/*
 * cli/image-store.c - the images of this user: finding and reading
 *
 * Runs in the CLI.  The folder is the user's own; all the same names are checked
 * before they become paths, and image.json must have the folder's digest.
 */
#include "cli/image-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sha2.h>

#include "cli/client.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/path.h"

#define PREFIX "sha256-"
#define PREFIX_LEN 7
#define HEX_LEN 64
#define SHORT_MIN 4

/* See image-store.h. */
int store_open(struct store *s, bool make, struct err *err)
{
	s->path = path_place(PATH_DATA, "images", make, err);
	if (!s->path)
		return -1;
	if (make) {
		CLEANUP_FREE char *names =
			path_place(PATH_DATA, "images/names", true, err);

		if (!names)
			return -1;
	}
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->fd < 0 ? err_sys(err, errno, "%s", s->path) : 0;
}

/* See image-store.h. */
void store_close(struct store *s)
{
	free(s->path);
	if (s->fd >= 0)
		close(s->fd);
	if (s->lock >= 0)
		close(s->lock);
	*s = (struct store)STORE_INIT;
}

static bool is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") == len && !text[len];
}

static bool is_dir_name(const char *name)
{
	return !strncmp(name, PREFIX, PREFIX_LEN) &&
	       is_hex(name + PREFIX_LEN, HEX_LEN);
}

/* See image-store.h. */
void store_short(const char *dir, char out[24])
{
	snprintf(out, 24, "sha256:%.12s",
		 is_dir_name(dir) ? dir + PREFIX_LEN : "?");
}

/* Where names/NAME points. */
static int read_name(const struct store *s, const char *name,
		     char dir[STORE_DIR_MAX])
{
	char link[128], path[16 + PODFLARE_NAME_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "names/%.*s", PODFLARE_NAME_MAX, name);
	n = readlinkat(s->fd, path, link, sizeof(link) - 1);
	if (n < 3)
		return -1;
	link[n] = '\0';
	if (strncmp(link, "../", 3) || !is_dir_name(link + 3))
		return -1;
	memcpy(dir, link + 3, PREFIX_LEN + HEX_LEN + 1);
	return faccessat(s->fd, dir, F_OK, 0);
}

static int find_prefix(const struct store *s, const char *hex,
		       char dir[STORE_DIR_MAX], struct err *err)
{
	CLEANUP_DIR DIR *d = opendir(s->path);
	struct dirent *e;
	int found = 0;

	while (d && (e = readdir(d))) {
		if (!is_dir_name(e->d_name) ||
		    strncmp(e->d_name + PREFIX_LEN, hex, strlen(hex)))
			continue;
		memcpy(dir, e->d_name, PREFIX_LEN + HEX_LEN + 1);
		found++;
	}
	if (found > 1)
		return err_set(err, ERR_USAGE,
			       "image %s: several digests begin like this",
			       hex);
	return found;
}

/* See image-store.h. */
int store_resolve(const struct store *s, const char *image,
		  char dir[STORE_DIR_MAX], struct err *err)
{
	const char *hex = image;
	int found = 0;

	if (path_name_valid(image) && read_name(s, image, dir) == 0)
		return 0;
	if (!strncmp(image, "sha256:", 7) || !strncmp(image, PREFIX, 7))
		hex += 7;
	if (strlen(hex) >= SHORT_MIN && strlen(hex) <= HEX_LEN &&
	    is_hex(hex, strlen(hex)))
		found = find_prefix(s, hex, dir, err);
	if (found)
		return found < 0 ? -1 : 0;
	err_set(err, ERR_NOT_FOUND, "image %.80s: no such image", image);
	return err_hint(err, strcmp(image, "default")
			? "`podflare image ls` lists them"
			: "podflare image build default");
}

static int check_files(const struct store *s, const char *dir, json_t *meta,
		       struct err *err)
{
	json_t *files = json_object_get(meta, "files"), *f;
	char path[STORE_DIR_MAX + 64];
	const char *name;
	struct stat st;

	if (!json_is_object(files) || !json_object_get(files, "base.img"))
		return err_set(err, ERR_FAILED, "image %s: has no base.img",
			       dir);
	json_object_foreach(files, name, f) {
		if (!path_name_valid(name))
			return err_set(err, ERR_FAILED,
				       "image %s: a file with a bad name", dir);
		snprintf(path, sizeof(path), "%s/%.63s", dir, name);
		if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, errno, "image %s", path);
		if (!S_ISREG(st.st_mode) ||
		    (uint64_t)st.st_size != json_number(f, "size"))
			return err_set(err, ERR_FAILED,
				       "image %s: has a wrong size", path);
	}
	return 0;
}

/* See image-store.h. */
json_t *store_load(const struct store *s, const char *dir, struct err *err)
{
	CLEANUP_BUF struct buf text = { .max = STORE_JSON_MAX + KIB };
	CLEANUP_JSON json_t *meta = NULL;
	char path[STORE_DIR_MAX + 16], digest[HEX_LEN + 1];
	json_error_t why;

	snprintf(path, sizeof(path), "%s/image.json", dir);
	if (path_read_file(s->fd, path, STORE_JSON_MAX, &text, err) < 0) {
		err_context(err, "image");
		return NULL;
	}
	SHA256Data(text.data, text.len, digest);
	if (strcmp(dir + PREFIX_LEN, digest)) {
		err_set(err, ERR_FAILED, "image %s: does not have its digest",
			path);
		err_hint(err, "podflare image rm %s, then build it again", dir);
		return NULL;
	}
	meta = json_loadb((const char *)text.data, text.len,
			  JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(meta)) {
		err_set(err, ERR_FAILED, "image %s: %s", path, why.text);
		return NULL;
	}
	if (json_number(meta, "format") != 1) {
		err_set(err, ERR_VERSION, "image %s: is of another format",
			path);
		err_hint(err, "build it again, or use a newer podflare");
		return NULL;
	}
	if (check_files(s, dir, meta, err) < 0)
		return NULL;
	return json_incref(meta);
}

static json_t *names_of(const struct store *s, const char *dir)
{
	CLEANUP_FREE char *path = NULL;
	struct dirent **e = NULL;
	json_t *names = json_array();
	char target[STORE_DIR_MAX];
	int n = -1;

	if (asprintf(&path, "%s/names", s->path) >= 0)
		n = scandir(path, &e, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (path_name_valid(e[i]->d_name) &&
		    read_name(s, e[i]->d_name, target) == 0 &&
		    !strcmp(target, dir))
			json_array_append_new(names,
					      json_string(e[i]->d_name));
		free(e[i]);
	}
	free(e);
	return names;
}

/* See image-store.h. */
json_t *store_show(const struct store *s, const char *dir, struct err *err)
{
	static const char *const keys[] = { "created", "base_type", "kernel",
					    "env", "user", "workdir",
					    "warmup", "files" };
	CLEANUP_JSON json_t *meta = store_load(s, dir, err);
	json_t *out, *names, *f;
	const char *name;
	uint64_t size = 0;

	if (!meta)
		return NULL;
	out = json_object();
	names = names_of(s, dir);
	name = json_string_value(json_array_get(names, 0));
	json_object_set_new(out, "name", json_string(name ? name : ""));
	json_object_set_new(out, "names", names);
	json_object_set_new(out, "digest", json_string(dir));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_object_get(meta, keys[i]))
			json_object_set(out, keys[i],
					json_object_get(meta, keys[i]));
	json_object_foreach(json_object_get(meta, "files"), name, f)
		size += json_number(f, "size");
	json_object_set_new(out, "size", json_integer((json_int_t)size));
	return out;
}

static int by_name(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int rc = strcmp(json_text(x, "name"), json_text(y, "name"));

	return rc ? rc : strcmp(json_text(y, "created"),
				json_text(x, "created"));
}

/* See image-store.h. */
json_t *store_list(const struct store *s, struct err *err)
{
	CLEANUP_DIR DIR *d = opendir(s->path);
	json_t *all[1024], *list;
	struct dirent *e;
	size_t n = 0;

	if (!d) {
		err_sys(err, errno, "%s", s->path);
		return NULL;
	}
	while (n < ARRAY_SIZE(all) && (e = readdir(d))) {
		struct err why = ERR_INIT;

		if (!is_dir_name(e->d_name))
			continue;
		all[n] = store_show(s, e->d_name, &why);
		if (!all[n]) {
			all[n] = json_object();
			json_object_set_new(all[n], "digest",
					    json_string(e->d_name));
			json_object_set_new(all[n], "names",
					    names_of(s, e->d_name));
			json_object_set_new(all[n], "broken",
					    json_string(why.msg));
		}
		n++;
	}
	qsort(all, n, sizeof(all[0]), by_name);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, all[i]);
	return list;
}
