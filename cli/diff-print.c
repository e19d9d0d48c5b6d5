/* SPDX-License-Identifier: MIT */
/*
 * cli/diff-print.c - a diff as names, and as JSON
 *
 * Runs in the CLI.  Names are a guest's: quoted unless they are asked for raw.
 */
#include "cli/diff.h"

#include <stdio.h>
#include <sys/stat.h>

#include "cli/json-path.h"

/* See diff.h. */
void diff_print_names(const struct diff *d, bool letters, bool z)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct diff_entry *e = &d->v[i];

		if (letters)
			printf("%c%c", diff_letter(e), z ? '\0' : '\t');
		gpath_write(stdout, "", e->path, z ? GPATH_RAW : GPATH_QUOTED);
		putchar(z ? '\0' : '\n');
	}
}

static json_t *node_json(const struct node *n)
{
	json_t *o = json_object();
	char mode[16];

	snprintf(mode, sizeof(mode), "%04o", n->mode & 07777);
	json_object_set_new(o, "type", json_string(node_type_name(n->mode)));
	json_object_set_new(o, "mode", json_string(mode));
	json_object_set_new(o, "uid", json_integer(n->uid));
	json_object_set_new(o, "gid", json_integer(n->gid));
	if (S_ISREG(n->mode))
		json_object_set_new(o, "size", json_integer((json_int_t)n->size));
	if (n->link)
		json_path_set(o, "link", n->link);
	return o;
}

static json_t *what_json(unsigned int what)
{
	static const struct {
		enum diff_what bit;
		const char *name;
	} names[] = {
		{ DIFF_TYPE, "type" },	   { DIFF_CONTENT, "content" },
		{ DIFF_LINK, "link" },	   { DIFF_DEVICE, "device" },
		{ DIFF_MODE, "mode" },	   { DIFF_OWNER, "owner" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (what & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

/* See diff.h. */
json_t *diff_json(const struct diff *d)
{
	json_t *added = json_array(), *removed = json_array();
	json_t *modified = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct diff_entry *e = &d->v[i];
		json_t *o = json_object();

		json_path_set(o, "path", e->path);
		if (!e->a.mode || !e->b.mode) {
			json_t *node = node_json(e->a.mode ? &e->a : &e->b);

			json_object_update(o, node);
			json_decref(node);
			json_array_append_new(e->a.mode ? removed : added, o);
			continue;
		}
		json_object_set_new(o, "change", what_json(e->what));
		json_object_set_new(o, "old", node_json(&e->a));
		json_object_set_new(o, "new", node_json(&e->b));
		json_array_append_new(modified, o);
	}
	return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed,
			 "modified", modified);
}
