/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-stat.c - what stands at either side of a copy
 *
 * Runs in the CLI.  Distrusts what a sandbox says of its files: it decides only
 * how the user's words are read, never where on this host something is written.
 */
#include "cli/cp-stat.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/output.h"
#include "common/cleanup.h"

#define LINKS_MAX 40

/* One look; link is set when it is a symbolic link that was not followed. */
struct look {
	bool exists;
	mode_t mode;
	uint64_t size;
	char link[PATH_MAX];
};

static int look_here(const char *path, bool follow, struct look *l,
		     struct err *err)
{
	struct stat st;
	ssize_t n;

	if ((follow ? stat(path, &st) : lstat(path, &st)) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(err, errno, "%s", path);
	}
	l->exists = true;
	l->mode = st.st_mode;
	l->size = (uint64_t)st.st_size;
	if (S_ISLNK(st.st_mode)) {
		n = readlink(path, l->link, sizeof(l->link) - 1);
		if (n < 0)
			return err_sys(err, errno, "%s", path);
		l->link[n] = '\0';
	}
	return 0;
}

static int look_inside(struct client *c, const char *sandbox, const char *path,
		       bool follow, struct look *l, struct err *err)
{
	CLEANUP_JSON json_t *st = NULL;
	json_t *params = json_pack("{s:s, s:s, s:b}", "sandbox", sandbox,
				   "path", path, "follow", (int)follow);

	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", path);
	st = client_call(c, "files.stat", params, err);
	if (!st)
		return -1;
	if (!json_is_true(json_object_get(st, "exists")))
		return 0;
	l->exists = true;
	l->mode = (mode_t)json_number(st, "mode");
	l->size = json_number(st, "size");
	if (S_ISLNK(l->mode))
		snprintf(l->link, sizeof(l->link), "%s", json_text(st, "link"));
	return 0;
}

static int look_at(struct client *c, const struct cp_end *e, const char *path,
		   bool follow, struct look *l, struct err *err)
{
	l->exists = false;
	l->link[0] = '\0';
	return e->sandbox ? look_inside(c, e->sandbox, path, follow, l, err)
			  : look_here(path, follow, l, err);
}

static enum cp_type type_of(const struct look *l)
{
	if (!l->exists)
		return CP_MISSING;
	return S_ISDIR(l->mode) ? CP_FOLDER : CP_FILE;
}

/* See cp-stat.h. */
int cp_stat(struct client *c, const struct cp_end *e, bool follow,
	    enum cp_type *type, uint64_t *size, struct err *err)
{
	struct look l;

	if (look_at(c, e, e->path, follow || e->slash, &l, err) < 0)
		return -1;
	*type = type_of(&l);
	if (size)
		*size = l.exists && S_ISREG(l.mode) ? l.size : 0;
	return 0;
}

/* The path becomes what the link there says. */
static int follow_link(struct cp_end *e, const char *link, struct err *err)
{
	CLEANUP_FREE char *folder = NULL;
	CLEANUP_FREE char *name = NULL;
	char *path = NULL;

	if (cp_split(e->path, &folder, &name) < 0)
		return err_sys(err, ENOMEM, "%s", e->path);
	if (asprintf(&path, "%s%s%s", link[0] == '/' ? "" : folder,
		     link[0] == '/' ? "" : "/", link) < 0)
		return err_sys(err, ENOMEM, "%s", e->path);
	free(e->path);
	e->path = path;
	return 0;
}

/* See cp-stat.h. */
int cp_stat_destination(struct client *c, struct cp_end *e, enum cp_type *type,
			bool *folder_exists, struct err *err)
{
	CLEANUP_FREE char *folder = NULL;
	CLEANUP_FREE char *name = NULL;
	struct look l;

	for (int i = 0;; i++) {
		if (look_at(c, e, e->path, false, &l, err) < 0)
			return -1;
		if (!l.exists || !S_ISLNK(l.mode))
			break;
		if (i == LINKS_MAX || !l.link[0])
			return err_set(err, ERR_FAILED,
				       "%s: too many symbolic links", e->path);
		if (follow_link(e, l.link, err) < 0)
			return -1;
	}
	*type = type_of(&l);
	*folder_exists = true;
	if (*type != CP_MISSING)
		return 0;
	if (cp_split(e->path, &folder, &name) < 0)
		return err_sys(err, ENOMEM, "%s", e->path);
	if (look_at(c, e, folder, true, &l, err) < 0)
		return -1;
	*folder_exists = type_of(&l) == CP_FOLDER;
	return 0;
}
