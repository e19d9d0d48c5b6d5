/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-path.c - where a copy goes: the rules of docker cp
 *
 * Runs in the CLI; pure functions on the user's words.
 */
#include "cli/cp-path.h"

#include <errno.h>

#include "common/cleanup.h"

/* See cp-path.h. */
void cp_end_free(struct cp_end *e)
{
	free(e->sandbox);
	free(e->path);
	e->sandbox = NULL;
	e->path = NULL;
}

/* See cp-path.h. */
void cp_plan_free(struct cp_plan *plan)
{
	free(plan->folder);
	free(plan->name);
	plan->folder = NULL;
	plan->name = NULL;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Take the "/." and "/" off the end, and note what they said. */
static void trim(struct cp_end *e)
{
	size_t len = strlen(e->path);
	const char *last;

	for (;;) {
		if (len > 1 && e->path[len - 1] == '/') {
			len--;
			e->slash = true;
		} else if (len > 1 && e->path[len - 1] == '.' &&
			   e->path[len - 2] == '/') {
			len--;
			e->slash = true;
			e->contents = true;
		} else {
			break;
		}
	}
	e->path[len] = '\0';
	last = last_part(e->path);
	if (!*last || !strcmp(last, ".") || !strcmp(last, ".."))
		e->contents = true;
}

/* See cp-path.h. */
int cp_end_parse(const char *arg, struct cp_end *e, struct err *err)
{
	size_t colon = strcspn(arg, ":");
	const char *path = arg;

	*e = (struct cp_end){ 0 };
	if (!strcmp(arg, "-")) {
		e->stdio = true;
		return 0;
	}
	if (arg[colon] && arg[0] != '.' && !memchr(arg, '/', colon)) {
		if (!colon)
			return err_set(err, ERR_USAGE,
				       "\"%s\": no sandbox before the colon",
				       arg);
		path = arg + colon + 1;
		e->sandbox = strndup(arg, colon);
		if (!*path)
			path = ".";
	}
	if (!*path)
		return err_set(err, ERR_USAGE, "an empty path");
	e->path = strdup(path);
	if (!e->path)
		return err_sys(err, ENOMEM, "%s", arg);
	trim(e);
	return 0;
}

/* See cp-path.h. */
int cp_split(const char *path, char **folder, char **name)
{
	const char *last = last_part(path);
	size_t len = (size_t)(last - path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	*folder = len ? strndup(path, len) : strdup(".");
	*name = strdup(last);
	return *folder && *name ? 0 : -1;
}

static int into(struct cp_plan *plan, const char *folder, const char *name,
		struct err *err)
{
	plan->folder = strdup(folder);
	plan->name = name ? strdup(name) : NULL;
	if (!plan->folder || (name && !plan->name))
		return err_sys(err, ENOMEM, "%s", folder);
	return 0;
}

static int becomes(struct cp_plan *plan, const char *path, struct err *err)
{
	if (cp_split(path, &plan->folder, &plan->name) < 0)
		return err_sys(err, ENOMEM, "%s", path);
	return 0;
}

/* See cp-path.h. */
int cp_plan_make(const struct cp_end *src, enum cp_type src_type,
		 const struct cp_end *dst, enum cp_type dst_type,
		 bool folder_exists, struct cp_plan *plan, struct err *err)
{
	*plan = (struct cp_plan){ 0 };
	if (src_type == CP_FILE && src->slash)
		return err_set(err, ERR_FAILED, "%s: is not a directory",
			       src->path);
	switch (dst_type) {
	case CP_FOLDER:
		return into(plan, dst->path,
			    src->contents ? NULL : last_part(src->path), err);
	case CP_FILE:
		if (src_type == CP_FOLDER)
			return err_set(err, ERR_EXISTS, "%s: cannot copy a "
				       "directory over a file", dst->path);
		if (dst->slash)
			return err_set(err, ERR_FAILED,
				       "%s: is not a directory", dst->path);
		return becomes(plan, dst->path, err);
	case CP_MISSING:
		break;
	}
	if (!folder_exists || (src_type == CP_FILE && dst->slash)) {
		err_set(err, ERR_NOT_FOUND, "%s: the directory does not exist",
			dst->path);
		return err_hint(err, "make it first, with mkdir -p");
	}
	return becomes(plan, dst->path, err);
}
