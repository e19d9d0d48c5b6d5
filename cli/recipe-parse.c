/* SPDX-License-Identifier: MIT */
/*
 * cli/recipe-parse.c - a recipe's keys: podflare-image(5)
 *
 * Runs in the CLI.  Distrusts the file: every key and value is checked here, so
 * that nothing behind this file meets a name or a path that it must doubt.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/recipe.h"
#include "common/cleanup.h"
#include "common/path.h"
#include "common/suggest.h"
#include "common/yaml.h"

struct reader {
	const char *file;
	const char *key;	/* for messages: "files" */
	struct recipe *r;
	struct recipe_file *f;	/* the current item of files */
	struct err *err;
};

struct key {
	const char *name;
	int (*read)(struct reader *rd, const struct node *n);
};

static int bad(struct reader *rd, const struct node *n, const char *why)
{
	return node_error(rd->file, n->line, rd->err, "%s: %s", rd->key, why);
}

static int want(struct reader *rd, const struct node *n, enum node_kind kind)
{
	if (n->kind == kind)
		return 0;
	return node_error(rd->file, n->line, rd->err,
			  "%s: must be %s, not %s", rd->key,
			  node_kind_name(kind),
			  n->kind == NODE_SCALAR && n->plain && !*n->text
				  ? "empty" : node_kind_name(n->kind));
}

static int set(struct reader *rd, char **out, const char *text)
{
	*out = strdup(text);
	return *out ? 0 : err_sys(rd->err, ENOMEM, "%s", rd->file);
}

static int take(struct reader *rd, const struct node *n, char **out)
{
	if (want(rd, n, NODE_SCALAR) < 0)
		return -1;
	return *n->text ? set(rd, out, n->text) : bad(rd, n, "is empty");
}

static int push(struct reader *rd, struct recipe_list *l, char *text)
{
	char **v = text ? reallocarray(l->v, l->n + 1, sizeof(*v)) : NULL;

	if (!v) {
		free(text);
		return err_sys(rd->err, ENOMEM, "%s", rd->file);
	}
	l->v = v;
	l->v[l->n++] = text;
	return 0;
}

static int take_list(struct reader *rd, const struct node *n,
		     struct recipe_list *out)
{
	char *text;

	if (want(rd, n, NODE_LIST) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++)
		if (take(rd, &n->items[i], &text) < 0 ||
		    push(rd, out, text) < 0)
			return -1;
	return 0;
}

static int all_of(const char *text, const char *allowed)
{
	return *text && !text[strspn(text, allowed)];
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define WORD LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_"

static int read_name(struct reader *rd, const struct node *n)
{
	if (take(rd, n, &rd->r->name) < 0)
		return -1;
	return path_name_valid(rd->r->name) ? 0 :
		bad(rd, n, "a name has a-z, 0-9, _ . - and at most 63 of them");
}

static int read_from(struct reader *rd, const struct node *n)
{
	CLEANUP_FREE char *text = NULL;

	if (take(rd, n, &text) < 0)
		return -1;
	if (strncmp(text, "debian:", 7) || !all_of(text + 7, LOWER DIGITS "-")) {
		bad(rd, n, "is not debian:SUITE");
		return err_hint(rd->err, "for instance: from: debian:bookworm");
	}
	return set(rd, &rd->r->suite, text + 7);
}

static int read_packages(struct reader *rd, const struct node *n)
{
	const struct recipe_list *l = &rd->r->packages;

	rd->r->packages_line = n->line;
	if (take_list(rd, n, &rd->r->packages) < 0)
		return -1;
	/* never an option, a pattern or a path for apt */
	for (size_t i = 0; i < l->n; i++)
		if (!strchr(LOWER DIGITS, l->v[i][0]) ||
		    !all_of(l->v[i], WORD "+.:=~/-"))
			return node_error(rd->file, n->items[i].line, rd->err,
					  "packages: \"%.64s\" is not a "
					  "package's name", l->v[i]);
	return 0;
}

/* A path in the image: absolute, without "..", no line feed. */
static int check_inside(struct reader *rd, const struct node *n,
			const char *path)
{
	size_t len;

	if (path[0] != '/')
		return bad(rd, n, "must begin with /");
	if (strchr(path, '\n'))
		return bad(rd, n, "must not hold a line feed");
	for (const char *p = path; *p; p += len) {
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 2 && !memcmp(p, "..", 2))
			return bad(rd, n, "must not hold ..");
	}
	return 0;
}

/* "name", "1000", "name:group" */
static int check_user(struct reader *rd, const struct node *n, const char *text)
{
	const char *colon = strchr(text, ':');

	if (strlen(text) < 64 && all_of(text, WORD ".:-") && text[0] != '-' && text[0] != ':' &&
	    (!colon || (colon[1] && colon[1] != '-' && !strchr(colon + 1, ':'))))
		return 0;
	return bad(rd, n, "is not USER or USER:GROUP");
}

/* A path on the host: relative ones count from the recipe's folder. */
static int take_path(struct reader *rd, const struct node *n, char **out)
{
	const char *slash = strrchr(rd->file, '/');
	CLEANUP_FREE char *text = NULL;
	struct stat st;

	if (take(rd, n, &text) < 0)
		return -1;
	if (text[0] == '/' || !slash)
		*out = strdup(text);
	else if (asprintf(out, "%.*s%s", (int)(slash + 1 - rd->file),
			  rd->file, text) < 0)
		*out = NULL;
	if (!*out)
		return err_sys(rd->err, ENOMEM, "%s", rd->file);
	if (lstat(*out, &st) == 0)
		return 0;
	return node_error(rd->file, n->line, rd->err, "%s: %s: %s", rd->key,
			  *out, strerror(errno));
}

static int file_src(struct reader *rd, const struct node *n)
{
	return take_path(rd, n, &rd->f->src);
}

static int file_dest(struct reader *rd, const struct node *n)
{
	if (take(rd, n, &rd->f->dest) < 0)
		return -1;
	return check_inside(rd, n, rd->f->dest);
}

static int file_owner(struct reader *rd, const struct node *n)
{
	if (take(rd, n, &rd->f->owner) < 0)
		return -1;
	return check_user(rd, n, rd->f->owner);
}

static int file_mode(struct reader *rd, const struct node *n)
{
	char *end;
	long mode;

	if (want(rd, n, NODE_SCALAR) < 0)
		return -1;
	mode = strtol(n->text, &end, 8);
	if (!all_of(n->text, "01234567") || *end || mode > 07777)
		return bad(rd, n, "is not an octal mode like 0755");
	rd->f->mode = (unsigned int)mode;
	return 0;
}

static int read_map(struct reader *rd, const struct node *n,
		    const struct key *keys);

/* "dest: /etc/" means below it, under the source's name, as cp has it. */
static int finish_file(struct reader *rd, const struct node *n)
{
	struct recipe_file *f = rd->f;
	const char *base;
	size_t n_dest;
	char *dest;

	if (!f->src || !f->dest)
		return node_error(rd->file, n->line, rd->err,
				  "files: \"%s\" is missing",
				  f->src ? "dest" : "src");
	n_dest = strlen(f->dest);
	if (f->dest[n_dest - 1] != '/')
		return 0;
	base = strrchr(f->src, '/');
	base = base ? base + 1 : f->src;
	if (asprintf(&dest, "%s%s", f->dest, base) < 0)
		return err_sys(rd->err, ENOMEM, "%s", rd->file);
	/* "src/" is what is in it, and goes right there */
	while (!*base && n_dest && dest[n_dest - 1] == '/')
		dest[--n_dest] = '\0';
	free(f->dest);
	f->dest = dest;
	return 0;
}

static int read_files(struct reader *rd, const struct node *n)
{
	static const struct key keys[] = {
		{ "src", file_src }, { "dest", file_dest },
		{ "mode", file_mode }, { "owner", file_owner }, { 0 },
	};
	struct recipe *r = rd->r;

	if (want(rd, n, NODE_LIST) < 0)
		return -1;
	r->files = calloc(n->n + 1, sizeof(*r->files));
	if (!r->files)
		return err_sys(rd->err, ENOMEM, "%s", rd->file);
	for (size_t i = 0; i < n->n; i++) {
		rd->key = "files";
		if (want(rd, &n->items[i], NODE_MAP) < 0)
			return -1;
		rd->f = &r->files[r->nr_files++];
		rd->f->mode = RECIPE_MODE_KEEP;
		rd->f->line = n->items[i].line;
		if (read_map(rd, &n->items[i], keys) < 0 ||
		    finish_file(rd, &n->items[i]) < 0)
			return -1;
	}
	return 0;
}

static int read_run(struct reader *rd, const struct node *n)
{
	return take_list(rd, n, &rd->r->run);
}

/* One item: a shell command, or a language with its code. */
static int warmup_item(struct reader *rd, const struct node *n)
{
	const struct node *code = n;
	const char *lang = "";
	char *text;

	if (n->kind == NODE_MAP && n->n == 1) {
		code = n->items;
		lang = code->key;
	}
	if (*lang && strcmp(lang, "python")) {
		node_error(rd->file, n->line, rd->err,
			   "warmup: unknown key \"%.64s\"", lang);
		return err_hint(rd->err, "a shell command, or python: CODE");
	}
	if (take(rd, code, &text) < 0 || push(rd, &rd->r->warmup, text) < 0)
		return -1;
	if (strlen(text) > RECIPE_WARMUP_MAX)
		return bad(rd, code, "is longer than 32 KiB");
	return push(rd, &rd->r->warmup_lang, strdup(lang));
}

static int read_warmup(struct reader *rd, const struct node *n)
{
	if (want(rd, n, NODE_LIST) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++)
		if (warmup_item(rd, &n->items[i]) < 0)
			return -1;
	return 0;
}

static int read_env(struct reader *rd, const struct node *n)
{
	char *text;

	if (want(rd, n, NODE_MAP) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++) {
		const struct node *v = &n->items[i];

		if (!all_of(v->key, WORD) || strchr(DIGITS, v->key[0]))
			return node_error(rd->file, v->line, rd->err,
					  "env: \"%.64s\" is not a variable's "
					  "name", v->key);
		if (want(rd, v, NODE_SCALAR) < 0)
			return -1;
		if (asprintf(&text, "%s=%s", v->key, v->text) < 0)
			text = NULL;
		if (push(rd, &rd->r->env, text) < 0)
			return -1;
	}
	return 0;
}

static int read_user(struct reader *rd, const struct node *n)
{
	if (take(rd, n, &rd->r->user) < 0)
		return -1;
	return check_user(rd, n, rd->r->user);
}

static int read_workdir(struct reader *rd, const struct node *n)
{
	if (take(rd, n, &rd->r->workdir) < 0)
		return -1;
	if (strlen(n->text) > 255)
		return bad(rd, n, "is longer than 255 bytes");
	return check_inside(rd, n, rd->r->workdir);
}

static int kernel_package(struct reader *rd, const struct node *n)
{
	if (take(rd, n, &rd->r->kernel_package) < 0)
		return -1;
	if (strchr(LOWER DIGITS, n->text[0]) && all_of(n->text, WORD "+.-"))
		return 0;
	return bad(rd, n, "is not a package's name");
}

static int kernel_path(struct reader *rd, const struct node *n)
{
	return take_path(rd, n, &rd->r->kernel_path);
}

static int kernel_modules(struct reader *rd, const struct node *n)
{
	return take_path(rd, n, &rd->r->kernel_modules);
}

static int read_kernel(struct reader *rd, const struct node *n)
{
	static const struct key keys[] = {
		{ "package", kernel_package }, { "path", kernel_path },
		{ "modules", kernel_modules }, { 0 },
	};

	/* "kernel: NAME" is short for a package, "kernel: ./FILE" for a path */
	if (n->kind == NODE_SCALAR)
		return strchr(n->text, '/') ? kernel_path(rd, n)
					    : kernel_package(rd, n);
	if (want(rd, n, NODE_MAP) < 0 || read_map(rd, n, keys) < 0)
		return -1;
	rd->key = "kernel";
	if (!rd->r->kernel_package == !rd->r->kernel_path)
		return bad(rd, n, "give one of \"package\" and \"path\"");
	if (rd->r->kernel_modules && !rd->r->kernel_path)
		return bad(rd, n, "\"modules\" goes with \"path\"");
	return 0;
}

static const struct key top_keys[] = {
	{ "name", read_name },	       { "from", read_from },
	{ "packages", read_packages }, { "files", read_files },
	{ "run", read_run },	       { "env", read_env },
	{ "user", read_user },	       { "workdir", read_workdir },
	{ "kernel", read_kernel },     { "warmup", read_warmup },
	{ 0 },
};

static int read_map(struct reader *rd, const struct node *n,
		    const struct key *keys)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = &n->items[i];
		struct suggest s = { .word = item->key };
		const struct key *k = keys;

		while (k->name && strcmp(k->name, item->key))
			suggest_offer(&s, k++->name);
		if (!k->name) {
			node_error(rd->file, item->line, rd->err,
				   "unknown key \"%.64s\"", item->key);
			if (s.best)
				return err_hint(rd->err,
						"did you mean \"%s\"?", s.best);
			return err_hint(rd->err,
					"podflare-image(5) lists the keys");
		}
		rd->key = k->name;
		if (k->read(rd, item) < 0)
			return -1;
	}
	return 0;
}

/* What the recipe need not say. */
static int set_defaults(struct reader *rd)
{
	struct recipe *r = rd->r;

	if (!r->suite) {
		node_error(rd->file, 1, rd->err, "\"from\" is missing");
		return err_hint(rd->err, "for instance: from: debian:bookworm");
	}
	if (!r->user && set(rd, &r->user, "root") < 0)
		return -1;
	if (!r->kernel_package && !r->kernel_path &&
	    set(rd, &r->kernel_package, RECIPE_KERNEL) < 0)
		return -1;
	/* name and workdir may stay away: whoever builds knows better */
	return 0;
}

/* See recipe.h. */
int recipe_parse(const char *file, const char *text, size_t len,
		 struct recipe *r, struct err *err)
{
	struct reader rd = { .file = file, .r = r, .err = err };
	CLEANUP_NODE struct node root = NODE_INIT;
	int rc;

	*r = (struct recipe)RECIPE_INIT;
	if (node_parse(file, text, len, &root, err) < 0)
		return -1;
	if (root.kind != NODE_MAP)
		return node_error(file, root.line, err,
				  "a recipe is a mapping of keys, not %s",
				  node_kind_name(root.kind));
	rc = set(&rd, &r->file, file);
	if (!rc)
		rc = read_map(&rd, &root, top_keys);
	if (!rc)
		rc = set_defaults(&rd);
	if (rc < 0)
		recipe_free(r);
	return rc;
}
