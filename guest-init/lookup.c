/* SPDX-License-Identifier: MIT */
/*
 * guest-init/lookup.c - from paths to what the halves of the root have there
 *
 * A child of pid 1.  Distrusts the paths, and what is in the halves.
 */
#include "guest-init/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

void lookup_init(struct lookup *l, const struct layers *layers)
{
	l->layers = layers;
	l->dirs = NULL;
	l->depth = l->room = 0;
	l->path[0] = '\0';
}

static void leave(struct lookup *l, size_t depth)
{
	while (l->depth > depth)
		layer_close(&l->dirs[--l->depth]);
}

void lookup_free(struct lookup *l)
{
	leave(l, 0);
	free(l->dirs);
	lookup_init(l, l->layers);
}

static bool is_valid(const char *path)
{
	if (path[0] != '/' || strlen(path) >= LOOKUP_PATH_MAX)
		return false;
	if (!path[1])
		return true;
	for (const char *p = path; *p;) {
		size_t len = strcspn(++p, "/");

		if (len == 0 || (len == 1 && *p == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
	}
	return true;
}

static struct layer_dir *room_for_one(struct lookup *l)
{
	size_t room = l->room ? 2 * l->room : 16;
	struct layer_dir *grown;

	if (l->depth < l->room)
		return &l->dirs[l->depth];
	grown = realloc(l->dirs, room * sizeof(*grown));
	if (!grown)
		return NULL;
	l->dirs = grown;
	l->room = room;
	return &l->dirs[l->depth];
}

static int enter_root(struct lookup *l)
{
	struct layer_dir *d = room_for_one(l);

	if (!d || layer_root(l->layers, true, d) < 0)
		return -1;
	l->depth = 1;
	l->path[0] = '\0';
	return 0;
}

/* @len bytes of l->path are open; so is "/@name" then. */
static int enter(struct lookup *l, size_t len, const char *name, size_t name_len)
{
	struct layer_dir *d = room_for_one(l);

	l->path[len] = '/';
	memcpy(l->path + len + 1, name, name_len);
	l->path[len + 1 + name_len] = '\0';
	if (!d || layer_enter(&l->dirs[l->depth - 1], l->path + len + 1, d) < 0) {
		l->path[len] = '\0';
		return -1;
	}
	l->depth++;
	return 0;
}

/* Bytes of the open path that are also the start of this one, in whole parts.
 * @parts set to how many those are */
static size_t common(const struct lookup *l, const char *path, size_t len,
		     size_t *parts)
{
	size_t i = 0, at = 0;

	*parts = 0;
	for (; i < len && l->path[i] == path[i]; i++)
		if (i && path[i] == '/') {
			at = i;
			++*parts;
		}
	if (i && !l->path[i] && (i == len || path[i] == '/')) {
		at = i;
		++*parts;
	} else if (i == len && i && l->path[i] == '/') {
		at = i;
		++*parts;
	}
	return at;
}

/* The folder of which the path has @len bytes. */
static int go_to(struct lookup *l, const char *path, size_t len)
{
	size_t at, parts;

	if (l->depth == 0 && enter_root(l) < 0)
		return -1;
	at = common(l, path, len, &parts);
	leave(l, parts + 1);
	l->path[at] = '\0';
	while (at < len) {
		size_t n = strcspn(path + at + 1, "/");

		if (enter(l, at, path + at + 1, n) < 0)
			return -1;
		at += 1 + n;
	}
	return 0;
}

int lookup_find(struct lookup *l, const char *path,
		const struct layer_dir **dir, const char **base,
		struct layer_entry *e)
{
	if (!is_valid(path)) {
		errno = EINVAL;
		return -1;
	}
	*base = strrchr(path, '/');
	if (go_to(l, path, (size_t)(*base - path)) < 0)
		return -1;
	*base = path[1] ? *base + 1 : ".";
	*dir = &l->dirs[l->depth - 1];
	return layer_stat(*dir, *base, true, e);
}
