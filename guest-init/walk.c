/* SPDX-License-Identifier: MIT */
/*
 * guest-init/walk.c - through all that differs from the image
 *
 * A child of pid 1.  The guest goes on meanwhile and root may have made the
 * tree to hurt: paths and memory are bounded, nothing is followed, what has
 * vanished is as if it had never been.
 */
#include "guest-init/walk.h"

#include <errno.h>
#include <unistd.h>

#include "guest-init/apply.h"

#define NAMES_BUDGET (128 * MIB)

#define LISTING_MIN 32		/* names, below it is not worth the thought */
#define LISTING_RATE 100	/* names listed for the price of one looked up */
#define ENTRY_BYTES 16		/* of a folder's size for a name, about */

/* A folder that is walked through. */
struct level {
	const struct layer_dir *dir;
	const struct filter_range *range;	/* NULL: all of it */
	size_t path_len;	/* of the folder */
	struct names names;
	uint32_t put_off;	/* the last folder that is; NAMES_NONE */
	bool listed;		/* the image's names are known, too: */
	struct names image;
	size_t image_at;
};

/* Of the kernel, gone with the power, or ours. */
static bool is_left_out(const struct walk *w)
{
	static const char *const paths[] = { "/proc", "/sys", "/dev", "/run",
					     "/" APPLY_FOLDER };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (strcmp((char *)w->path.data, paths[i]) == 0)
			return true;
	return false;
}

static int fail(struct walk *w, struct err *err)
{
	if (errno == ENOBUFS)
		return err_set(err, ERR_LIMIT, "%.300s: too many names to be "
			       "sorted", buf_str(&w->path));
	return err_sys(err, errno, "%.300s", buf_str(&w->path));
}

/* The path of @name in the folder of the level; kept a C string. */
static int set_path(struct walk *w, const struct level *l, const char *name,
		    struct err *err)
{
	size_t len = strlen(name);

	w->path.len = l->path_len;
	if (w->path.len + 1 + len >= LOOKUP_PATH_MAX)
		return err_set(err, ERR_LIMIT, "%.100s...: folders are nested "
			       "too deep: a path has at most %d bytes",
			       buf_str(&w->path), LOOKUP_PATH_MAX - 1);
	if (buf_append(&w->path, "/", 1) < 0 ||
	    buf_append(&w->path, name, len + 1) < 0)
		return err_sys(err, errno, "path");
	w->path.len--;
	return 0;
}

static int list(struct walk *w, struct level *l)
{
	const struct layer_dir *d = l->dir;
	struct names *names = &l->names;

	names_init(names, &w->budget);
	if (l->range)
		return filter_names(w->filter, l->range, names);
	if (d->upper >= 0 && names_read(names, d->upper) < 0)
		return -1;
	/* what is merged as it was needs no look */
	if (d->lower == d->image)
		return 0;
	if (d->lower >= 0 && names_read(names, d->lower) < 0)
		return -1;
	return d->image >= 0 ? names_read(names, d->image) : 0;
}

/* To look a name up in vain costs as much as to list some hundred, in squashfs. */
static bool listing_pays(const struct level *l)
{
	const struct layer_dir *d = l->dir;
	struct stat st;

	return !l->range && l->names.n >= LISTING_MIN && d->upper >= 0 &&
	       d->lower == d->image && d->image >= 0 &&
	       fstat(d->image, &st) == 0 &&
	       (uint64_t)st.st_size / ENTRY_BYTES <
		       (uint64_t)l->names.n * LISTING_RATE;
}

static int list_image(struct walk *w, struct level *l)
{
	names_init(&l->image, &w->budget);
	l->listed = true;
	if (names_read(&l->image, l->dir->image) < 0)
		return -1;
	return names_sort(&l->image);
}

/* Asked for in order. */
static bool is_in_image(struct level *l, const char *name)
{
	int rc = -1;

	while (l->image_at < l->image.n) {
		rc = strcmp(names_get(&l->image, l->image_at), name);
		if (rc >= 0)
			break;
		l->image_at++;
	}
	return rc == 0;
}

static int walk_level(struct walk *w, const struct layer_dir *d,
		      const struct filter_range *range, struct err *err);

/* Into a folder that was put off. */
static int enter(struct walk *w, struct level *l, const char *name,
		 struct err *err)
{
	struct filter_range below;
	const struct filter_range *range = NULL;
	struct layer_dir child;
	int rc = 0;

	if (set_path(w, l, name, err) < 0)
		return -1;
	if (mounts_has(w->mounts, (char *)w->path.data))
		return 0;
	if (l->range && !filter_match(w->filter, l->range, name, &below))
		range = &below;
	if (layer_enter(l->dir, name, &child) < 0)
		return fail(w, err);
	if (w->all ? !layer_is_none(&child) : !layer_is_image(&child))
		rc = walk_level(w, &child, range, err);
	layer_close(&child);
	return rc;
}

/* Those put off that come before @next; NULL: all. */
static int catch_up(struct walk *w, struct level *l, const char *next,
		    struct err *err)
{
	while (l->put_off != NAMES_NONE) {
		const char *name = names_get(&l->names, l->put_off);
		size_t len = strlen(name);

		if (next && strncmp(next, name, len) == 0 &&
		    (unsigned char)next[len] < '/')
			return 0;
		if (enter(w, l, name, err) < 0)
			return -1;
		l->put_off = l->names.list[l->put_off].next;
	}
	return 0;
}

static int pass(struct walk *w, struct level *l, uint32_t i, struct err *err)
{
	const char *name = names_get(&l->names, i);
	struct filter_range below;
	struct layer_entry e;

	if (set_path(w, l, name, err) < 0)
		return -1;
	if (l->path_len == 0 && is_left_out(w))
		return 0;
	if (layer_stat(l->dir, name, !l->listed || is_in_image(l, name), &e) < 0)
		return fail(w, err);
	if ((!l->range || filter_match(w->filter, l->range, name, &below)) &&
	    w->visit(w, l->dir, name, &e, err) < 0)
		return -1;
	if ((e.now && S_ISDIR(e.now_st.st_mode)) ||
	    (e.old && S_ISDIR(e.old_st.st_mode))) {
		l->names.list[i].next = l->put_off;
		l->put_off = i;
	}
	return 0;
}

static int walk_names(struct walk *w, struct level *l, struct err *err)
{
	if (list(w, l) < 0 || names_sort(&l->names) < 0)
		return fail(w, err);
	if (listing_pays(l) && list_image(w, l) < 0)
		return fail(w, err);
	for (uint32_t i = 0; i < l->names.n; i++)
		if (catch_up(w, l, names_get(&l->names, i), err) < 0 ||
		    pass(w, l, i, err) < 0)
			return -1;
	return catch_up(w, l, NULL, err);
}

static int walk_level(struct walk *w, const struct layer_dir *d,
		      const struct filter_range *range, struct err *err)
{
	struct level l = { .dir = d, .range = range,
			   .path_len = w->path.len, .put_off = NAMES_NONE };
	int rc = walk_names(w, &l, err);

	names_free(&l.names);
	if (l.listed)
		names_free(&l.image);
	return rc;
}

/* The root itself, as "/". */
static int visit_root(struct walk *w, const struct layer_dir *d, struct err *err)
{
	struct layer_entry e;
	int rc;

	if (!w->filter->all)
		return 0;
	buf_append(&w->path, "/", 2);
	w->path.len = 1;
	rc = layer_stat(d, ".", true, &e) < 0 ? fail(w, err)
					: w->visit(w, d, ".", &e, err);
	w->path.len = 0;
	return rc;
}

int walk_root(struct walk *w, struct filter_range range, struct err *err)
{
	struct layer_dir root;
	int rc;

	w->path = (struct buf)BUF_INIT;
	w->budget = NAMES_BUDGET;
	if (layer_root(w->layers, !w->all, &root) < 0)
		return err_sys(err, errno, "/");
	rc = visit_root(w, &root, err);
	if (rc == 0)
		rc = walk_level(w, &root, w->filter->all ? NULL : &range, err);
	layer_close(&root);
	buf_free(&w->path);
	return rc;
}
