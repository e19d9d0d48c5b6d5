/* SPDX-License-Identifier: MIT */
/*
 * cli/gpath.c - paths in a sandbox
 *
 * Runs in the CLI.  Distrusts every path: a guest chose its bytes.
 */
#include "cli/gpath.h"

#include <errno.h>
#include <string.h>

#include "cli/text.h"
#include "common/buf.h"
#include "common/cleanup.h"

static bool part_is_dots(const char *part, size_t len)
{
	return (len == 1 && part[0] == '.') ||
	       (len == 2 && part[0] == '.' && part[1] == '.');
}

/* See gpath.h. */
bool gpath_valid(const void *path, size_t len)
{
	const char *p = path, *end = p + len;

	if (!len || len >= GPATH_MAX || *p != '/' || memchr(p, '\0', len))
		return false;
	if (len == 1)
		return true;
	while (p < end) {
		const char *part = ++p;

		while (p < end && *p != '/')
			p++;
		if (p == part || part_is_dots(part, (size_t)(p - part)))
			return false;
	}
	return true;
}

/* See gpath.h. */
size_t gpath_parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!path[1])
		return 0;
	return slash == path ? 1 : (size_t)(slash - path);
}

/* See gpath.h. */
bool gpath_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	if (len == 1)
		return true;
	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

/* See gpath.h. */
int gpath_filter_add(struct gpath_filter *f, const char *arg, struct err *err)
{
	CLEANUP_FREE char *path = malloc(strlen(arg) + 2);
	char **v = reallocarray(f->v, f->n + 1, sizeof(*v));
	size_t used = 0;

	if (v)
		f->v = v;
	if (!v || !path)
		return err_sys(err, ENOMEM, "path");
	for (const char *p = arg; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && part_is_dots(p, len)) {
			err_set(err, ERR_USAGE, "path \"%.200s\": \"..\" is "
				"not understood here", arg);
			return err_hint(err, "paths begin at the sandbox's /");
		}
		if (len && !part_is_dots(p, len)) {
			path[used++] = '/';
			memcpy(path + used, p, len);
			used += len;
		}
		p += len;
		p += *p == '/';
	}
	if (!used)
		path[used++] = '/';
	path[used] = '\0';
	if (!gpath_valid(path, used))
		return err_set(err, ERR_USAGE, "path \"%.200s...\": too long",
			       arg);
	f->v[f->n++] = steal_ptr(&path);
	return 0;
}

/* See gpath.h. */
bool gpath_filter_match(const struct gpath_filter *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (gpath_below(path, f->v[i]))
			return true;
	return !f->n;
}

/* See gpath.h. */
void gpath_filter_free(struct gpath_filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i]);
	free(f->v);
	*f = (struct gpath_filter){ 0 };
}

/* One character as it stands between quotes; @used set to its bytes.
 * Return: whether it needs the quotes. */
static bool quote_char(const char *s, size_t len, char out[8], size_t *used)
{
	static const char plain[] = "\a\b\t\n\v\f\r\"\\";
	static const char letters[] = "abtnvfr\"\\";
	size_t n = text_char((const unsigned char *)s, len);
	const char *at = memchr(plain, *s, sizeof(plain) - 1);

	*used = 1;
	if (at) {
		snprintf(out, 8, "\\%c", letters[at - plain]);
		return true;
	}
	if (!n) {
		snprintf(out, 8, "\\%03o", (unsigned char)*s);
		return true;
	}
	memcpy(out, s, n);
	out[n] = '\0';
	*used = n;
	return false;
}

static bool needs_quotes(const char *s)
{
	char out[8];
	size_t used;

	for (size_t len = strlen(s); len; s += used, len -= used)
		if (quote_char(s, len, out, &used))
			return true;
	return false;
}

static void put_quoted(struct buf *b, const char *s)
{
	char out[8];
	size_t used;

	for (size_t len = strlen(s); len; s += used, len -= used) {
		quote_char(s, len, out, &used);
		buf_append(b, out, strlen(out));
	}
}

static void put(struct buf *b, const char *prefix, const char *path)
{
	bool quotes = needs_quotes(path);

	buf_append(b, "\"", quotes);
	put_quoted(b, prefix);
	put_quoted(b, path);
	buf_append(b, "\"", quotes);
}

/* See gpath.h. */
void gpath_write(FILE *f, const char *prefix, const char *path,
		 enum gpath_quoting quoting)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (quoting == GPATH_RAW) {
		fprintf(f, "%s%s", prefix, path);
		return;
	}
	put(&b, prefix, path);
	fputs(buf_str(&b), f);
}

/* See gpath.h. */
char *gpath_text(const char *path, char *out, size_t size)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	put(&b, "", path);
	snprintf(out, size, "%s", buf_str(&b));
	return out;
}
