/* SPDX-License-Identifier: MIT */
/*
 * cli/recipe.c - recipes: where they are, and their life in memory
 *
 * Runs in the CLI.
 */
#include "cli/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "common/yaml.h"

static void free_list(struct recipe_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

void recipe_free(struct recipe *r)
{
	free(r->file);
	free(r->name);
	free(r->suite);
	free_list(&r->packages);
	for (size_t i = 0; i < r->nr_files; i++) {
		free(r->files[i].src);
		free(r->files[i].dest);
		free(r->files[i].owner);
	}
	free(r->files);
	free_list(&r->run);
	free_list(&r->env);
	free(r->user);
	free(r->workdir);
	free(r->kernel_package);
	free(r->kernel_path);
	free(r->kernel_modules);
	free_list(&r->warmup);
	free_list(&r->warmup_lang);
	*r = (struct recipe)RECIPE_INIT;
}

/* The recipes that come with podflare lie beside the program (build tree) or
 * where they were installed. */
static char *shipped(const char *name)
{
	CLEANUP_FREE char *self = calloc(1, PATH_MAX);
	const char *dirs[2] = { NULL, PODFLARE_PKGDATADIR };
	char *path, *slash;

	if (self && readlink("/proc/self/exe", self, PATH_MAX - 1) > 0) {
		slash = strrchr(self, '/');
		if (slash) {
			*slash = '\0';
			dirs[0] = self;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (!dirs[i] ||
		    asprintf(&path, "%s/images/%s.yaml", dirs[i], name) < 0)
			continue;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static char *find(const char *arg, struct err *err)
{
	struct stat st;
	char *path;

	if (stat(arg, &st) == 0 && !S_ISDIR(st.st_mode)) {
		path = strdup(arg);
		if (!path)
			err_sys(err, ENOMEM, "%s", arg);
		return path;
	}
	path = path_name_valid(arg) ? shipped(arg) : NULL;
	if (path)
		return path;
	if (stat(arg, &st) == 0) {
		err_sys(err, EISDIR, "%s", arg);
		err_hint(err, "name the recipe's file");
		return NULL;
	}
	err_sys(err, errno, "%s", arg);
	err->code = ERR_USAGE;
	err_hint(err, "a recipe is a YAML file: podflare-image(5); "
		 "`podflare image build default` takes the one that comes "
		 "with podflare");
	return NULL;
}

/* See recipe.h. */
int recipe_load(const char *arg, struct recipe *r, struct err *err)
{
	CLEANUP_FREE char *path = find(arg, err);
	CLEANUP_BUF struct buf text = BUF_INIT;
	int rc;

	*r = (struct recipe)RECIPE_INIT;
	if (!path)
		return -1;
	rc = path_read_file(AT_FDCWD, path, NODE_BYTES_MAX, &text, err);
	if (rc < 0) {
		if (err && err->code == ERR_LIMIT)
			err->code = ERR_USAGE;
		return -1;
	}
	if (!text.len)
		return node_error(path, 1, err, "the file is empty");
	return recipe_parse(path, buf_str(&text), text.len, r, err);
}

/* Texts may hold line feeds: their length keeps two recipes apart. */
static void put(struct buf *out, const char *key, const char *text)
{
	if (text)
		buf_printf(out, "%s %zu:%s\n", key, strlen(text), text);
}

static void put_list(struct buf *out, const char *key,
		     const struct recipe_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		put(out, key, l->v[i]);
}

/* See recipe.h. */
void recipe_describe(const struct recipe *r, struct buf *out)
{
	put(out, "name", r->name);
	put(out, "from", r->suite);
	put_list(out, "package", &r->packages);
	for (size_t i = 0; i < r->nr_files; i++) {
		/* what is in the source is hashed by whoever reads it */
		put(out, "dest", r->files[i].dest);
		put(out, "owner", r->files[i].owner);
		buf_printf(out, "mode %o\n", r->files[i].mode);
	}
	put_list(out, "run", &r->run);
	put_list(out, "env", &r->env);
	put(out, "user", r->user);
	put(out, "workdir", r->workdir);
	put(out, "kernel", r->kernel_package);
	for (size_t i = 0; i < r->warmup.n; i++) {
		put(out, "warmup", r->warmup.v[i]);
		if (*r->warmup_lang.v[i])
			put(out, "language", r->warmup_lang.v[i]);
	}
}
