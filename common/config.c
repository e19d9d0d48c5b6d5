/* SPDX-License-Identifier: MIT */
/*
 * common/config.c - the user's config.yaml
 *
 * CLI and runner.  Distrusts the file as far as a mistake or a disk may go: it
 * is bounded, may be anything, and either all of it counts or nothing.
 *
 * Theory of operation: one table has every key with its type, its range and
 * where its value goes.  A key that is not in it is an error, since it would
 * otherwise be a setting that somebody believes in.
 */
#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/path.h"
#include "common/suggest.h"
#include "common/yaml.h"

struct key;

struct reader {
	const char *file;
	struct config *to;
	struct err *err;
};

struct key {
	const char *name;
	/* Return: 0, or -1 with r->err. */
	int (*put)(const struct reader *r, const struct key *k,
		   const struct node *v);
	unsigned long min, max;	/* of its number, or of each of its numbers */
};

static int fail(const struct reader *r, const struct node *v, const char *what)
{
	return node_error(r->file, v->line, r->err, "%s", what);
}

/* Whether nothing stands behind the key. */
static bool is_empty(const struct node *v)
{
	return v->kind == NODE_SCALAR && v->plain && !*v->text;
}

static int get_number(const struct reader *r, const struct key *k,
		      const struct node *v, const char *name,
		      unsigned long *out)
{
	char *end;

	errno = 0;
	*out = 0;
	if (v->kind != NODE_SCALAR || !v->plain || !*v->text ||
	    strspn(v->text, "0123456789") != strlen(v->text))
		return node_error(r->file, v->line, r->err,
				  "%s: must be a number", name);
	*out = strtoul(v->text, &end, 10);
	if (errno || *out < k->min || *out > k->max)
		return node_error(r->file, v->line, r->err,
				  "%s: must be %lu to %lu, not %.32s", name,
				  k->min, k->max, v->text);
	return 0;
}

/* As the runner names images: a name, "sha256-..." or its beginning. */
static bool is_image(const char *s)
{
	return path_name_valid(s) ||
	       (strncmp(s, "sha256-", 7) == 0 && strlen(s) == 71 &&
		strspn(s + 7, "0123456789abcdef") == 64);
}

/* pool: {IMAGE: N, ...} */
static int put_pool(const struct reader *r, const struct key *k,
		    const struct node *v)
{
	struct config *c = r->to;
	unsigned long n;

	if (is_empty(v))
		return 0;
	if (v->kind != NODE_MAP)
		return fail(r, v, "pool: must be a mapping from images to "
			    "numbers, as in pool: {default: 2}");
	for (size_t i = 0; i < v->n; i++) {
		const struct node *item = &v->items[i];
		char name[96];

		if (!is_image(item->key))
			return node_error(r->file, item->line, r->err,
					  "pool: \"%.64s\" cannot be an image's "
					  "name", item->key);
		if (c->nr_pools == CONFIG_POOLS_MAX)
			return fail(r, item, "pool: too many images");
		snprintf(name, sizeof(name), "pool: %.80s", item->key);
		if (get_number(r, k, item, name, &n) < 0)
			return -1;
		snprintf(c->pools[c->nr_pools].image,
			 sizeof(c->pools[0].image), "%s", item->key);
		c->pools[c->nr_pools++].size = (unsigned int)n;
	}
	return 0;
}

/* Every key that there is, in the order of the manual page. */
static const struct key keys[] = {
	{ "pool", put_pool, 0, CONFIG_POOL_MAX },
};

static int unknown_key(const struct reader *r, const struct node *v)
{
	struct suggest s = { .word = v->key };

	node_error(r->file, v->line, r->err, "unknown key \"%.64s\"", v->key);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		suggest_offer(&s, keys[i].name);
	if (s.best)
		return err_hint(r->err, "did you mean \"%s\"?", s.best);
	return err_hint(r->err, "podflare-config(5) lists the keys");
}

static int put_all(const struct reader *r, const struct node *root)
{
	size_t i, j;

	if (is_empty(root))
		return 0;
	if (root->kind != NODE_MAP)
		return fail(r, root, "must be a mapping: lines of KEY: VALUE");
	for (i = 0; i < root->n; i++) {
		for (j = 0; j < ARRAY_SIZE(keys); j++)
			if (strcmp(keys[j].name, root->items[i].key) == 0)
				break;
		if (j == ARRAY_SIZE(keys))
			return unknown_key(r, &root->items[i]);
		if (keys[j].put(r, &keys[j], &root->items[i]) < 0)
			return -1;
	}
	return 0;
}

/* Whether it has lines of space and comments alone. */
static bool says_nothing(const char *text, size_t len)
{
	const char *end = text + len, *eol;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', (size_t)(end - text));
		if (!eol)
			eol = end;
		while (text < eol && (*text == ' ' || *text == '\r'))
			text++;
		if (text < eol && *text != '#')
			return false;
	}
	return true;
}

void config_default(struct config *c)
{
	*c = (struct config){ .nr_pools = 0 };
}

int config_parse(const char *file, const char *text, size_t len,
		 struct config *c, struct err *err)
{
	CLEANUP_NODE struct node root = NODE_INIT;
	struct config fresh;
	struct reader r = { .file = file, .to = &fresh, .err = err };

	config_default(&fresh);
	if (len > CONFIG_BYTES_MAX)
		return node_error(file, 1, err, "the file is over %d KiB",
				  CONFIG_BYTES_MAX / 1024);
	if (!says_nothing(text, len) &&
	    (node_parse(file, text, len, &root, err) < 0 ||
	     put_all(&r, &root) < 0))
		return -1;
	*c = fresh;
	return 0;
}

/* Return: 1, 0 when there is none, or -1 with @err. */
static int read_all(const char *path, struct buf *text, struct err *err)
{
	/* it may be a pipe, which must not be waited for */
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char block[4096];
	struct stat st;
	ssize_t n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "%s: is not a regular file",
			       path);
	/* one byte over is enough to be refused */
	while (text->len <= CONFIG_BYTES_MAX &&
	       (n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || buf_append(text, block, (size_t)n) < 0)
			return err_sys(err, n < 0 ? errno : ENOMEM, "%s", path);
	}
	return 1;
}

int config_load(const char *path, struct config *c, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int rc = read_all(path, &text, err);

	if (rc == 0)
		config_default(c);
	if (rc <= 0)
		return rc;
	return config_parse(path, text.len ? buf_str(&text) : "", text.len, c,
			    err);
}
