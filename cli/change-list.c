/* SPDX-License-Identifier: MIT */
/*
 * cli/change-list.c - what a sandbox tells of its files: a list
 *
 * Runs in the CLI.  Distrusts the stream: bounded records, in order, each path
 * once, and what a record says of a change agrees with itself.
 */
#include "cli/change.h"

#include <errno.h>
#include <string.h>

#include "cli/gpath.h"
#include "common/agent.h"

static int by_path(const void *key, const void *member)
{
	return strcmp(key, ((const struct change *)member)->path);
}

/* See change.h. */
struct change *change_find(const struct change_list *list, const char *path)
{
	if (!list->n)
		return NULL;
	return bsearch(path, list->v, list->n, sizeof(*list->v), by_path);
}

void change_list_free(struct change_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		change_free(&list->v[i]);
	free(list->v);
	*list = (struct change_list){ 0 };
}

void change_parser_init(struct change_parser *p, struct change_list *list,
			bool all)
{
	*p = (struct change_parser){ .list = list, .all = all };
	p->rest.max = 3 * CHANGE_RECORD_MAX;
}

void change_parser_free(struct change_parser *p)
{
	buf_free(&p->rest);
}

static int broken(const char *path, const char *why, struct err *err)
{
	char text[256];

	return err_set(err, ERR_PROTOCOL,
		       "the sandbox's agent: changes: %s: %s",
		       gpath_text(path, text, sizeof(text)), why);
}

/* Whether what it says of now, of then and of the change fit together. */
static int check(const struct change_parser *p, const struct change *c,
		 struct err *err)
{
	const uint32_t known = AGENT_CHANGE_ADDED | AGENT_CHANGE_DELETED |
			       AGENT_CHANGE_CONTENT | AGENT_CHANGE_META |
			       AGENT_CHANGE_TYPE;
	bool added = c->bits & AGENT_CHANGE_ADDED;
	bool deleted = c->bits & AGENT_CHANGE_DELETED;
	const struct change *last = p->list->n ? &p->list->v[p->list->n - 1]
					       : NULL;

	if (last && strcmp(last->path, c->path) >= 0)
		return broken(c->path, "not in order", err);
	if (p->all ? c->bits != 0 : !(c->bits & known))
		return broken(c->path, "not such a change", err);
	if (!c->now.mode != deleted || (deleted && added))
		return broken(c->path, "deleted, or not?", err);
	if (!p->all && !c->was.mode != added)
		return broken(c->path, "added, or not?", err);
	return 0;
}

static int add(struct change_parser *p, struct change *c, struct err *err)
{
	struct change_list *l = p->list;

	if (l->n == CHANGES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d files differ",
			       CHANGES_MAX);
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct change *v = reallocarray(l->v, cap, sizeof(*v));

		if (!v)
			return err_sys(err, ENOMEM, "list of changes");
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *c;
	return 0;
}

static int one(struct change_parser *p, const void *data, size_t len,
	       struct err *err)
{
	struct change c;

	if (change_decode(data, len, &c, err) < 0)
		return -1;
	if (check(p, &c, err) == 0 && add(p, &c, err) == 0)
		return 0;
	change_free(&c);
	return -1;
}

/* The records that are whole. Return: bytes of them, -1 with @err. */
static ssize_t whole(struct change_parser *p, const uint8_t *data, size_t len,
		     struct err *err)
{
	size_t at = 0;
	uint32_t size;

	while (len - at >= sizeof(size)) {
		memcpy(&size, data + at, sizeof(size));
		if (size > CHANGE_RECORD_MAX)
			return err_set(err, ERR_PROTOCOL, "the sandbox's "
				       "agent: a record of %u bytes", size);
		if (len - at - sizeof(size) < size)
			break;
		if (one(p, data + at + sizeof(size), size, err) < 0)
			return -1;
		at += sizeof(size) + size;
	}
	return (ssize_t)at;
}

/* See change.h. */
int change_parse(struct change_parser *p, const void *data, size_t len,
		 struct err *err)
{
	const uint8_t *in = data;

	p->bytes += len;
	if (p->bytes > CHANGES_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "the list of changes is over "
			       "1 GiB");
	while (len) {
		/* what is left, and as much of the new as that bound allows */
		size_t n = MIN(len, CHANGE_RECORD_MAX);
		ssize_t used;

		if (buf_append(&p->rest, in, n) < 0)
			return err_sys(err, errno, "list of changes");
		used = whole(p, p->rest.data, p->rest.len, err);
		if (used < 0)
			return -1;
		buf_consume(&p->rest, (size_t)used);
		in += n;
		len -= n;
	}
	return 0;
}

/* See change.h. */
int change_parse_end(struct change_parser *p, struct err *err)
{
	if (p->rest.len)
		return err_set(err, ERR_PROTOCOL, "the sandbox's agent: the "
			       "list of changes is cut short");
	return 0;
}
