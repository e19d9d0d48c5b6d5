/* SPDX-License-Identifier: MIT */
/* cli/image-files.h - a recipe's files: as a tar archive, and in a digest */
#ifndef PODFLARE_CLI_IMAGE_FILES_H
#define PODFLARE_CLI_IMAGE_FILES_H

#include "cli/recipe.h"

struct archive;

/* Sees each file, folder and link in turn. @path is its place in the image
 * (relative), @st its final mode; @data and @len a file's contents or a link's
 * target. Return: 0 to go on, -1 with @err. */
struct files_sink {
	int (*begin)(struct files_sink *s, const char *path, unsigned int mode,
		     uint64_t size, const char *link, struct err *err);
	int (*data)(struct files_sink *s, const void *data, size_t len,
		    struct err *err);
};

/* Walk all of a recipe's files in a fixed order.
 * Return: 0, or -1 with @err ("FILE:LINE: files: ..."). */
int files_walk(const struct recipe *r, struct files_sink *sink,
	       struct err *err);
/* Only the @i-th item of the recipe's files. */
int files_walk_one(const struct recipe *r, size_t i, struct files_sink *sink,
		   struct err *err);
/* Append the paths ("/etc/x") of the @i-th item, each with a NUL behind it. */
int files_paths(const struct recipe *r, size_t i, struct buf *out,
		struct err *err);
/* Write them into an open tar archive, owned by root. */
int files_archive(const struct recipe *r, struct archive *a, struct err *err);
/* One small file into an open tar archive, owned by root. */
int files_put(struct archive *a, const char *path, unsigned int mode,
	      const void *data, size_t len, struct err *err);
/*
 * The digest of all that a build is made from: recipe, contents of its files,
 * its kernel file, podflare's version. Hexadecimal, 64 characters.
 * Return: 0, or -1 with @err.
 */
int files_input_digest(const struct recipe *r, char out[65], struct err *err);

#endif
