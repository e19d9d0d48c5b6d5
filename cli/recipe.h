/* SPDX-License-Identifier: MIT */
/*
 * cli/recipe.h - what an image is made from: podflare-image(5)
 *
 * A recipe in memory is complete and checked: names are valid, paths are
 * absolute where the image is meant, and relative ones of the host were
 * resolved against the recipe's folder.
 */
#ifndef PODFLARE_CLI_RECIPE_H
#define PODFLARE_CLI_RECIPE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

struct recipe_list {
	char **v;
	size_t n;
};

struct recipe_file {
	char *src;		/* on the host */
	char *dest;		/* absolute, in the image */
	char *owner;		/* "user" or "user:group"; NULL: root */
	unsigned int mode;	/* of a file; ~0: as on the host */
	int line;
};

struct recipe {
	char *file;		/* as messages name it */
	char *name;
	char *suite;		/* "bookworm" */
	struct recipe_list packages;
	int packages_line;
	struct recipe_file *files;
	size_t nr_files;
	struct recipe_list run;
	struct recipe_list env;	/* "K=V" */
	char *user;
	char *workdir;
	char *kernel_package;	/* this or kernel_path is set */
	char *kernel_path;	/* a bzImage or ELF file on the host */
	char *kernel_modules;	/* a folder like lib/modules/RELEASE, or NULL */
	struct recipe_list warmup;
	struct recipe_list warmup_lang;	/* of each: "" a shell command */
};

#define RECIPE_INIT { 0 }
#define CLEANUP_RECIPE __attribute__((cleanup(recipe_free)))
#define RECIPE_MODE_KEEP (~0U)
#define RECIPE_WARMUP_MAX (32 * 1024)	/* bytes of one item */
#define RECIPE_KERNEL "linux-image-cloud-amd64"

/* @param arg a file, or the name of a recipe that comes with podflare.
 * Return: 0, or -1 with @err (ERR_USAGE "FILE:LINE: ..."). */
int recipe_load(const char *arg, struct recipe *r, struct err *err);
/* As recipe_load, from text; @file names it in messages, its folder is what
 * relative paths are resolved against. */
int recipe_parse(const char *file, const char *text, size_t len,
		 struct recipe *r, struct err *err);
void recipe_free(struct recipe *r);
/* Append all that the recipe says as text, one value a line, for a digest. */
void recipe_describe(const struct recipe *r, struct buf *out);

#endif
