/* SPDX-License-Identifier: MIT */
/*
 * common/yaml.c - a YAML file as a small tree with line numbers
 *
 * CLI and runner.  Distrusts the file: libyaml's events are walked one by one,
 * what the tree cannot hold is refused, and size and depth are bounded.
 */
#include "common/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <yaml.h>

struct walker {
	yaml_parser_t parser;
	yaml_event_t event;	/* the current one */
	bool have;
	const char *file;
	struct err *err;
};

/* See yaml.h. */
const char *node_kind_name(enum node_kind kind)
{
	switch (kind) {
	case NODE_SCALAR:
		return "a text";
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a mapping";
	}
	return "";
}

/* See yaml.h. */
int node_error(const char *file, int line, struct err *err, const char *fmt,
	       ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_set(err, ERR_USAGE, "%s:%d: %s", file, line, msg);
}

void node_free(struct node *root)
{
	for (size_t i = 0; i < root->n; i++)
		node_free(&root->items[i]);
	free(root->items);
	free(root->text);
	free(root->key);
	*root = (struct node)NODE_INIT;
}

/* See yaml.h. */
const struct node *node_get(const struct node *map, const char *key)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->n; i++)
		if (!strcmp(map->items[i].key, key))
			return &map->items[i];
	return NULL;
}

static int line_of(const struct walker *w)
{
	return (int)w->event.start_mark.line + 1;
}

static int next(struct walker *w)
{
	const yaml_parser_t *p = &w->parser;

	if (w->have)
		yaml_event_delete(&w->event);
	w->have = yaml_parser_parse(&w->parser, &w->event);
	if (w->have)
		return 0;
	return node_error(w->file, (int)p->problem_mark.line + 1, w->err,
			  "not YAML: %s%s%s", p->problem ? p->problem : "?",
			  p->context ? " " : "", p->context ? p->context : "");
}

static int refuse(struct walker *w, const char *what)
{
	return node_error(w->file, line_of(w), w->err, "%s not allowed", what);
}

static int check_plain(struct walker *w, const yaml_char_t *anchor,
		       const yaml_char_t *tag)
{
	if (anchor)
		return refuse(w, "anchors (&name) are");
	return tag ? refuse(w, "tags (!name) are") : 0;
}

static char *copy_text(struct walker *w)
{
	const char *value = (const char *)w->event.data.scalar.value;
	size_t len = w->event.data.scalar.length;
	char *text;

	if (memchr(value, '\0', len)) {
		refuse(w, "a NUL byte is");
		return NULL;
	}
	text = strndup(value, len);
	if (!text)
		err_sys(w->err, ENOMEM, "%s", w->file);
	return text;
}

static struct node *add(struct walker *w, struct node *to)
{
	struct node *items;

	/* doubled at 1, 2, 4, ... */
	if ((to->n & (to->n - 1)) == 0) {
		items = reallocarray(to->items, to->n ? 2 * to->n : 1,
				     sizeof(*items));
		if (!items) {
			err_sys(w->err, ENOMEM, "%s", w->file);
			return NULL;
		}
		to->items = items;
	}
	to->items[to->n] = (struct node)NODE_INIT;
	return &to->items[to->n++];
}

static int value(struct walker *w, struct node *out, int depth);

static int list(struct walker *w, struct node *out, int depth)
{
	struct node *item;

	for (;;) {
		if (next(w) < 0)
			return -1;
		if (w->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		item = add(w, out);
		if (!item || value(w, item, depth) < 0)
			return -1;
	}
}

static int map(struct walker *w, struct node *out, int depth)
{
	const struct node *old;
	struct node *item;
	char *key;

	for (;;) {
		if (next(w) < 0)
			return -1;
		if (w->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (w->event.type == YAML_ALIAS_EVENT)
			return refuse(w, "aliases (*name) are");
		if (w->event.type != YAML_SCALAR_EVENT)
			return node_error(w->file, line_of(w), w->err,
					  "a key must be a text");
		if (check_plain(w, w->event.data.scalar.anchor,
				w->event.data.scalar.tag) < 0)
			return -1;
		key = copy_text(w);
		if (!key)
			return -1;
		old = node_get(out, key);
		if (old) {
			node_error(w->file, line_of(w), w->err,
				   "key \"%.64s\" stands twice (line %d)", key,
				   old->line);
			free(key);
			return -1;
		}
		item = add(w, out);
		if (!item) {
			free(key);
			return -1;
		}
		item->key = key;
		item->line = line_of(w);
		if (next(w) < 0 || value(w, item, depth) < 0)
			return -1;
	}
}

/* The value that the current event begins. */
static int value(struct walker *w, struct node *out, int depth)
{
	const yaml_event_t *e = &w->event;

	/* an item of a mapping has its key's line */
	if (!out->line)
		out->line = line_of(w);
	if (depth == NODE_DEPTH_MAX)
		return node_error(w->file, line_of(w), w->err,
				  "nested more than %d deep", NODE_DEPTH_MAX);
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		out->kind = NODE_SCALAR;
		out->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		if (check_plain(w, e->data.scalar.anchor,
				e->data.scalar.tag) < 0)
			return -1;
		out->text = copy_text(w);
		return out->text ? 0 : -1;
	case YAML_SEQUENCE_START_EVENT:
		out->kind = NODE_LIST;
		if (check_plain(w, e->data.sequence_start.anchor,
				e->data.sequence_start.tag) < 0)
			return -1;
		return list(w, out, depth + 1);
	case YAML_MAPPING_START_EVENT:
		out->kind = NODE_MAP;
		if (check_plain(w, e->data.mapping_start.anchor,
				e->data.mapping_start.tag) < 0)
			return -1;
		return map(w, out, depth + 1);
	case YAML_ALIAS_EVENT:
		return refuse(w, "aliases (*name) are");
	default:
		return node_error(w->file, line_of(w), w->err,
				  "a value is missing");
	}
}

static int document(struct walker *w, struct node *root)
{
	if (next(w) < 0 || next(w) < 0)
		return -1;
	if (w->event.type == YAML_STREAM_END_EVENT)
		return node_error(w->file, 1, w->err, "the file is empty");
	if (next(w) < 0 || value(w, root, 0) < 0)
		return -1;
	/* the document's end, then the stream's */
	if (next(w) < 0 || next(w) < 0)
		return -1;
	if (w->event.type != YAML_STREAM_END_EVENT)
		return refuse(w, "a second document is");
	return 0;
}

/* See yaml.h. */
int node_parse(const char *file, const char *text, size_t len,
	       struct node *root, struct err *err)
{
	struct walker w = { .file = file, .err = err };
	int rc;

	*root = (struct node)NODE_INIT;
	if (len > NODE_BYTES_MAX)
		return node_error(file, 1, err, "the file is over 1 MiB");
	if (!yaml_parser_initialize(&w.parser))
		return err_sys(err, ENOMEM, "%s", file);
	yaml_parser_set_encoding(&w.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&w.parser, (const unsigned char *)text,
				     len);
	rc = document(&w, root);
	if (w.have)
		yaml_event_delete(&w.event);
	yaml_parser_delete(&w.parser);
	if (rc < 0)
		node_free(root);
	return rc;
}
