/* SPDX-License-Identifier: MIT */
/* cli/image-root.h - a recipe's root file system, by mmdebstrap */
#ifndef PODFLARE_CLI_IMAGE_ROOT_H
#define PODFLARE_CLI_IMAGE_ROOT_H

#include "cli/image-apt.h"
#include "cli/recipe.h"

/*
 * Build it and write it to the file @path.
 * @param tmp a private folder for what mmdebstrap is given
 * Return: 0, or -1 with @err.
 */
int root_build(const struct recipe *r, struct apt *a, struct job *j,
	       const char *tmp, const char *path, struct err *err);
/* Write the two archives that mmdebstrap unpacks into the new system: before
 * apt runs (@setup), and after it (@steps: files, and what runs in it).
 * Return: 0, or -1 with @err. */
int root_write_archives(const struct recipe *r, struct apt *a,
			const char *setup, const char *steps, struct err *err);
/* The shell script that runs the recipe's steps inside, for a buffer. */
void root_put_script(const struct recipe *r, struct buf *out);
/* Append @text as one word of a shell. */
void root_quote(struct buf *out, const char *text);

#endif
