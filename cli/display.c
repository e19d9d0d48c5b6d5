/* SPDX-License-Identifier: MIT */
/*
 * cli/display.c - pictures and tables that code in a sandbox has shown
 *
 * Runs in the CLI.  Distrusts them: their number and size are bounded, their types
 * choose among names of ours, their contents are passed on unread.
 */
#include "cli/display.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/output.h"
#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"

#define NUMBER_MAX 100000	/* of a file's name */

static const struct {
	const char *mime, *ending;
	bool text;
} types[] = {
	{ "image/png", "png", false },	    { "image/jpeg", "jpg", false },
	{ "image/svg+xml", "svg", true },   { "application/pdf", "pdf", false },
	{ "text/html", "html", true },	    { "text/markdown", "md", true },
	{ "text/latex", "tex", true },	    { "application/json", "json", true },
};

/* See display.h. */
void displays_free(struct displays *d)
{
	for (size_t i = 0; i < d->n; i++)
		buf_free(&d->v[i].content);
	free(d->v);
	*d = (struct displays)DISPLAYS_INIT;
}

/* The one that it goes on with, or a new one. */
static struct display *find(struct displays *d, uint32_t id, const char *mime)
{
	struct display *last = d->n ? &d->v[d->n - 1] : NULL, *v;

	if (last && last->id == id && !strcmp(last->mime, mime))
		return last;
	if (d->n >= DISPLAYS_MAX)
		return NULL;
	v = reallocarray(d->v, d->n + 1, sizeof(*v));
	if (!v)
		return NULL;
	d->v = v;
	v += d->n++;
	*v = (struct display){ .id = id, .content.max = DISPLAYS_BYTES };
	strcpy(v->mime, mime);
	return v;
}

/* See display.h. */
int displays_put(struct displays *d, const struct frame *f, struct err *err)
{
	char mime[sizeof(d->v->mime)] = "";
	struct tlv t, content = { 0 };
	struct display *v;
	uint32_t id = 0;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(f->data, f->len, &pos, &t)) > 0) {
		if (t.tag == AGENT_T_DISPLAY)
			id = tlv_u32(&t);
		else if (t.tag == AGENT_T_MIME &&
			 tlv_str(&t, mime, sizeof(mime)) < 0)
			rc = -1;
		else if (t.tag == AGENT_T_CONTENT)
			content = t;
		if (rc < 0)
			break;
	}
	if (rc < 0 || !id || !*mime)
		return err_set(err, ERR_PROTOCOL,
			       "the sandbox's agent: a bad DISPLAY");
	v = find(d, id, mime);
	d->bytes += content.len;
	if (!v || d->bytes > DISPLAYS_BYTES ||
	    buf_append(&v->content, content.data, content.len) < 0)
		return err_set(err, ERR_LIMIT, "over %d pictures or %d MiB of "
			       "them", DISPLAYS_MAX,
			       (int)(DISPLAYS_BYTES / MIB));
	return 0;
}

/* Bytes of the well-formed UTF-8 character at @s, 0: there is none. */
static size_t utf8_char(const uint8_t *s, size_t len)
{
	size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 :
		   *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* See display.h. */
json_t *json_clean(const struct buf *b)
{
	CLEANUP_BUF struct buf clean = { .max = 3 * b->len + 3 };
	json_t *v;

	for (size_t i = 0; i < b->len;) {
		size_t n = utf8_char(b->data + i, b->len - i);

		buf_append(&clean, n ? (const void *)(b->data + i)
				     : "\xef\xbf\xbd", n ? n : 3);
		i += n ? n : 1;
	}
	v = json_stringn((const char *)clean.data, clean.len);
	return v ? v : json_string("");
}

static json_t *base64(const struct buf *b)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	CLEANUP_FREE char *out = malloc((b->len + 2) / 3 * 4 + 1);
	char *p = out;

	if (!out)
		return json_string("");
	for (size_t i = 0; i < b->len; i += 3) {
		size_t n = MIN(b->len - i, (size_t)3);
		uint32_t v = (uint32_t)b->data[i] << 16;

		if (n > 1)
			v |= (uint32_t)b->data[i + 1] << 8;
		if (n > 2)
			v |= b->data[i + 2];
		*p++ = digit[v >> 18];
		*p++ = digit[v >> 12 & 63];
		*p++ = n > 1 ? digit[v >> 6 & 63] : '=';
		*p++ = n > 2 ? digit[v & 63] : '=';
	}
	return json_stringn(out, (size_t)(p - out));
}

/* Return: the index of its type, -1: not one that we know. */
static int type_of(const char *mime)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(types[i].mime, mime))
			return (int)i;
	return -1;
}

static bool is_text(const char *mime)
{
	int i = type_of(mime);

	return i < 0 ? !strncmp(mime, "text/", 5) : types[i].text;
}

/* See display.h. */
json_t *displays_json(const struct displays *d)
{
	json_t *list = json_array(), *one = NULL;

	for (size_t i = 0; d && i < d->n; i++) {
		const struct display *v = &d->v[i];
		json_t *content = is_text(v->mime) ? json_clean(&v->content)
						   : base64(&v->content);
		struct buf mime = { .data = (uint8_t *)v->mime,
				    .len = strlen(v->mime) };
		CLEANUP_JSON json_t *key = json_clean(&mime);

		if (!one || d->v[i - 1].id != v->id) {
			one = json_object();
			json_array_append_new(list, one);
		}
		json_object_set_new(one, json_string_value(key), content);
	}
	return list;
}

/* A name that is free. Return: fd with @name, or -1 with @err. */
static int create(int dir, const char *where, const char *ending, int *number,
		  char *name, size_t size, struct err *err)
{
	int fd = -1;

	for (; *number < NUMBER_MAX; (*number)++) {
		snprintf(name, size, "figure-%03d.%s", *number, ending);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			    0666);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	if (*number == NUMBER_MAX)
		return err_set(err, ERR_LIMIT, "%s: too many figures", where);
	return fd < 0 ? err_sys(err, errno, "%s/%s", where, name) : fd;
}

static int write_all(int fd, const struct buf *b)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(fd, b->data + at, b->len - at);

		if (n < 0 && errno != EINTR)
			return -1;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* See display.h. */
int displays_write(const struct displays *d, const struct globals *g,
		   const char *path, struct err *err)
{
	CLEANUP_FD int dir = -1;
	char name[64];
	int number = 1;

	if (!d->n)
		return 0;
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return err_sys(err, errno, "%s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "%s", path);
	for (size_t i = 0; i < d->n; i++) {
		int type = type_of(d->v[i].mime);
		CLEANUP_FD int fd = -1;

		if (type < 0)
			continue;
		/* the forms of one thing have one number */
		if (i && d->v[i - 1].id != d->v[i].id)
			number++;
		fd = create(dir, path, types[type].ending, &number, name,
			    sizeof(name), err);
		if (fd < 0)
			return -1;
		if (write_all(fd, &d->v[i].content) < 0)
			return err_sys(err, errno, "%s/%s", path, name);
		output_note(g, "%s/%s", path, name);
	}
	return 0;
}
