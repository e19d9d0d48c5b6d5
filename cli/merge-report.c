/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-report.c - files of forks merged: what was found
 *
 * Runs in the CLI.  Conflicts are told in git's words.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/json-path.h"
#include "cli/merge.h"
#include "cli/text.h"

static const char *const names[] = {
	[CONFLICT_CONTENT] = "content",
	[CONFLICT_BINARY] = "binary",
	[CONFLICT_ADD_ADD] = "add/add",
	[CONFLICT_DELETED_BY_PARENT] = "modify/delete",
	[CONFLICT_DELETED_BY_CHILD] = "modify/delete",
	[CONFLICT_TYPE] = "distinct types",
	[CONFLICT_LINK] = "link",
	[CONFLICT_DEVICE] = "device",
	[CONFLICT_MODE] = "mode",
	[CONFLICT_OWNER] = "owner",
	[CONFLICT_FOLDER] = "file/directory",
};

/* Whether the content of a file is another one; what is the same was left as
 * the parent has it. */
static bool other_content(const struct version *a, const struct version *b)
{
	return b->text.have || a->from != b->from || a->rec != b->rec;
}

/* See merge.h. */
int merge_plan(const struct merge *m, struct diff *plan, struct err *err)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct merge_item *it = &m->items[i];
		struct diff_entry e = { .path = it->path,
					.a = it->before.node,
					.b = it->now.node,
					.ca = it->before.rec,
					.cb = it->now.rec };

		if (!e.a.mode && !e.b.mode)
			continue;
		e.what = diff_nodes(&e.a, &e.b);
		if (S_ISREG(e.a.mode) && S_ISREG(e.b.mode) &&
		    other_content(&it->before, &it->now))
			e.what |= DIFF_CONTENT;
		if (e.a.mode && e.b.mode && !e.what)
			continue;
		if (diff_add(plan, &e, err) < 0)
			return -1;
	}
	return 0;
}

static void put_name(const char *name)
{
	text_write(stdout, name, strlen(name), TEXT_ONE_LINE);
}

static void put_path(const struct merge_item *it)
{
	gpath_write(stdout, "", it->path, GPATH_QUOTED);
}

/* "PATH is a file in PARENT and a dir in CHILD" */
static void put_types(const struct merge *m, const struct merge_item *it)
{
	const char *p = node_type_name(it->now.node.mode);
	const char *c = node_type_name(it->child.node.mode);

	put_path(it);
	printf(": %s in ", p ? p : "removed");
	put_name(m->parent->name);
	printf(", %s in ", c ? c : "removed");
	put_name(m->child->name);
}

static void put_conflict(const struct merge *m, const struct merge_item *it)
{
	bool by_parent = it->conflict == CONFLICT_DELETED_BY_PARENT;

	printf("CONFLICT (%s): ", names[it->conflict]);
	switch (it->conflict) {
	case CONFLICT_NONE:
		break;
	case CONFLICT_CONTENT:
	case CONFLICT_ADD_ADD:
		fputs("Merge conflict in ", stdout);
		put_path(it);
		break;
	case CONFLICT_BINARY:
		fputs("Cannot merge binary files: ", stdout);
		put_path(it);
		break;
	case CONFLICT_DELETED_BY_PARENT:
	case CONFLICT_DELETED_BY_CHILD:
		put_path(it);
		fputs(" deleted in ", stdout);
		put_name(by_parent ? m->parent->name : m->child->name);
		fputs(" and modified in ", stdout);
		put_name(by_parent ? m->child->name : m->parent->name);
		break;
	case CONFLICT_TYPE:
		put_types(m, it);
		break;
	case CONFLICT_FOLDER:
		put_types(m, it);
		fputs(", and there is more below it", stdout);
		break;
	case CONFLICT_LINK:
	case CONFLICT_DEVICE:
	case CONFLICT_MODE:
	case CONFLICT_OWNER:
		put_path(it);
		fputs(" changed on both sides", stdout);
		break;
	}
	putchar('\n');
}

/* See merge.h. */
void merge_print_conflicts(const struct merge *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->items[i].conflict)
			put_conflict(m, &m->items[i]);
}

/* See merge.h. */
json_t *merge_conflicts_json(const struct merge *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n; i++) {
		const struct merge_item *it = &m->items[i];
		json_t *o;

		if (!it->conflict)
			continue;
		o = json_object();
		json_path_set(o, "path", it->path);
		json_object_set_new(o, "conflict",
				    json_string(names[it->conflict]));
		json_object_set_new(o, "child", json_string(m->child->name));
		json_array_append_new(list, o);
	}
	return list;
}
