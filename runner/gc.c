/* SPDX-License-Identifier: MIT */
/*
 * runner/gc.c - what nobody needs any more, in the store and beside it
 *
 * podflared, work threads.  Only what has a name of ours is touched.
 */
#include "runner/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "runner/chain.h"
#include "runner/places.h"
#include "runner/store.h"

#define STALE_S 3600	/* an image that nobody goes on with */

static const struct {
	const char *base;
	size_t fd;
} homes[] = {
	{ "sandboxes", offsetof(struct places, sandboxes_fd) },
	{ "points", offsetof(struct places, points_fd) },
	{ "templates", offsetof(struct places, templates_fd) },
	{ "snapshots", offsetof(struct places, snapshots_fd) },
};

const char *gc_what_name(enum gc_what w)
{
	switch (w) {
	case GC_FOLDER:
		return "folder";
	case GC_FILE:
		return "file";
	case GC_IMAGE:
		return "image";
	case GC_SOCKET:
		return "socket";
	}
	BUG("what is removed");
}

static struct gc_item *add(struct gc *g, enum gc_what what, int home,
			   const char *base)
{
	struct gc_item *i;

	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 64;

		i = realloc(g->items, cap * sizeof(*i));
		if (!i)
			return NULL;
		g->items = i;
		g->cap = cap;
	}
	i = &g->items[g->n++];
	*i = (struct gc_item){ .what = what, .home = home, .base = base };
	return i;
}

/* What is freed with the file, if this is its last name. */
static uint64_t size_of(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_nlink > 1)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

static int open_folder(int home, const char *name)
{
	return openat(home, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static uint64_t size_of_all(int home, const char *name)
{
	CLEANUP_FD int fd = open_folder(home, name);
	CLEANUP_DIR DIR *d = fd < 0 ? NULL : places_opendir(fd, ".");
	uint64_t bytes = 0;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_type == DT_REG)
			bytes += size_of(fd, e->d_name);
	return bytes;
}

/* A meta.json that a runner before us was writing. */
static bool is_old_tmp(const char *name)
{
	int pid;

	return sscanf(name, "meta.json.tmp-%d", &pid) == 1 && pid != getpid();
}

static void look_inside(struct gc *g, int home, const char *base,
			const char *id)
{
	CLEANUP_FD int fd = open_folder(home, id);
	CLEANUP_DIR DIR *d = fd < 0 ? NULL : places_opendir(fd, ".");
	struct gc_item *i;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, CHAIN_TMP) != 0 &&
		    strcmp(e->d_name, CHAIN_LIVE_TMP) != 0 &&
		    !is_old_tmp(e->d_name))
			continue;
		i = add(g, GC_FILE, home, base);
		if (!i)
			return;
		snprintf(i->name, sizeof(i->name), "%s/%.100s", id, e->d_name);
		snprintf(i->id, sizeof(i->id), "%.12s", id);
		i->bytes = size_of(fd, e->d_name);
	}
}

static bool has_meta(int home, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/meta.json", name);
	return faccessat(home, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void find_folders(struct gc *g, int home, const char *base)
{
	CLEANUP_DIR DIR *d = places_opendir(home, ".");
	const char *retired;
	struct gc_item *i;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		retired = store_retired_id(e->d_name);
		if (!retired && !names_id_valid(e->d_name))
			continue;
		if (!retired)
			look_inside(g, home, base, e->d_name);
		/* one with a meta.json is somebody's work, whatever we know */
		if (!retired && has_meta(home, e->d_name))
			continue;
		i = add(g, GC_FOLDER, home, base);
		if (!i)
			return;
		snprintf(i->name, sizeof(i->name), "%.100s", e->d_name);
		snprintf(i->id, sizeof(i->id), "%.12s",
			 retired ? retired : e->d_name);
		i->bytes = size_of_all(home, e->d_name);
	}
}

/* Whether nothing has happened to it for long: in it, or to its name. */
static bool is_stale(int home, const char *name)
{
	CLEANUP_FD int fd = open_folder(home, name);
	CLEANUP_DIR DIR *d = fd < 0 ? NULL : places_opendir(fd, ".");
	time_t newest = 0;
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, "..") != 0 &&
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			newest = MAX(newest, MAX(st.st_mtime, st.st_ctime));
	return d && newest < time(NULL) - STALE_S;
}

static void find_images(struct gc *g)
{
	int home = g->places.images_fd;
	CLEANUP_DIR DIR *d = places_opendir(home, ".");
	struct gc_item *i;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if ((strncmp(e->d_name, ".tmp-", 5) != 0 &&
		     !store_retired_id(e->d_name)) ||
		    !is_stale(home, e->d_name))
			continue;
		i = add(g, GC_IMAGE, home, "images");
		if (!i)
			return;
		snprintf(i->name, sizeof(i->name), "%.150s", e->d_name);
		i->bytes = size_of_all(home, e->d_name);
	}
}

/* Control sockets, and marks of what is half made. */
static void find_sockets(struct gc *g)
{
	int home = g->places.vm_fd;
	CLEANUP_DIR DIR *d = places_opendir(home, ".");
	struct gc_item *i;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char id[SANDBOX_ID_LEN + 1] = "";

		if (strlen(e->d_name) > SANDBOX_ID_LEN)
			memcpy(id, e->d_name, SANDBOX_ID_LEN);
		if (!names_id_valid(id))
			continue;
		i = add(g, GC_SOCKET, home, "vm");
		if (!i)
			return;
		snprintf(i->name, sizeof(i->name), "%.100s", e->d_name);
		snprintf(i->id, sizeof(i->id), "%s", id);
	}
}

void gc_find(struct gc *g)
{
	for (size_t i = 0; i < ARRAY_SIZE(homes); i++)
		find_folders(g, *(int *)((char *)&g->places + homes[i].fd),
			     homes[i].base);
	find_images(g);
	find_sockets(g);
}

void gc_remove(struct gc *g)
{
	size_t n = 0;

	for (size_t k = 0; k < g->n; k++) {
		struct gc_item *i = &g->items[k];
		struct err err = ERR_INIT;
		bool tree = i->what == GC_FOLDER || i->what == GC_IMAGE;

		if (tree)
			path_remove_tree(i->home, i->name, &err);
		else if (unlinkat(i->home, i->name, 0) < 0 && errno != ENOENT)
			err_sys(&err, errno, "%s/%s", i->base, i->name);
		if (!err.code)
			g->items[n++] = *i;
		else if (!g->err.code)
			g->err = err;
	}
	g->n = n;
}

void gc_free(struct gc *g)
{
	free(g->items);
	g->items = NULL;
	g->n = g->cap = 0;
}
