/* SPDX-License-Identifier: MIT */
/*
 * cli/gpath.h - paths in a sandbox
 *
 * Bytes: absolute, without NUL, empty parts, "." and "..".  "/" is one.
 */
#ifndef PODFLARE_CLI_GPATH_H
#define PODFLARE_CLI_GPATH_H

#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"

#define GPATH_MAX 4096

/* Paths that the user gave; none: all match. */
struct gpath_filter {
	char **v;
	size_t n;
};

#define CLEANUP_GPATH_FILTER __attribute__((cleanup(gpath_filter_free)))

/* Whether the bytes are such a path. */
bool gpath_valid(const void *path, size_t len);
/* Length of the folder's path that holds @path: "/a/b" -> 2, "/a" -> 1; of "/"
 * itself 0. */
size_t gpath_parent_len(const char *path);
/* Whether @path is @top or below it. */
bool gpath_below(const char *path, const char *top);
/* What the user wrote: a path that is not absolute is below "/".
 * Return: 0, or -1 with @err (ERR_USAGE). */
int gpath_filter_add(struct gpath_filter *f, const char *arg, struct err *err);
bool gpath_filter_match(const struct gpath_filter *f, const char *path);
void gpath_filter_free(struct gpath_filter *f);

enum gpath_quoting {
	GPATH_RAW,	/* as it is */
	GPATH_QUOTED,	/* as git does: "a\tb\303\244" where it must be; other
			 * UTF-8 is left as it is */
};

/* @prefix and path in one pair of quotes, if there are any. */
void gpath_write(FILE *f, const char *prefix, const char *path,
		 enum gpath_quoting quoting);
/* The same, quoted, into @out, cut to @size with its NUL. Return: @out. */
char *gpath_text(const char *path, char *out, size_t size);

#endif
