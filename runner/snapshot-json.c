/* SPDX-License-Identifier: MIT */
/*
 * runner/snapshot-json.c - snapshots as the API shows them, and their names
 *
 * podflared, loop thread.
 */
#include <stdio.h>

#include "runner/chain.h"
#include "runner/saved.h"
#include "runner/snapshot.h"

#define LIST_BUDGET (384 * 1024)	/* of 1 MiB, for whole elements */
#define NUMBER_MAX 100000

json_t *snapshot_to_json(struct sandbox *s)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:O, "
		"s:O, s:I}",
		"id", s->id, "name", s->name, "how", s->origin.how, "sandbox",
		s->origin.parent, "sandbox_name", s->origin.parent_name,
		"image", s->image, "image_digest", s->digest, "created",
		s->created, "cpus", (int)s->cpus, "memory",
		(json_int_t)s->memory, "disk", (json_int_t)s->disk, "env",
		s->env, "labels", s->labels, "size",
		(json_int_t)(chain_used(s->dirfd) + saved_used(s->dirfd)));

	if (s->disk_only)
		json_object_set_new(o, "disk_only", json_true());
	if (s->kernel[0])
		json_object_set_new(o, "kernel", json_string(s->kernel));
	if (s->reason[0])
		json_object_set_new(o, "reason", json_string(s->reason));
	return o;
}

json_t *snapshot_to_item(struct sandbox *s, size_t *used)
{
	json_t *o = snapshot_to_json(s);
	size_t size = json_dumpb(o, NULL, 0, JSON_COMPACT);

	if (*used + size <= LIST_BUDGET) {
		*used += size;
		return o;
	}
	json_object_del(o, "env");
	json_object_del(o, "labels");
	json_object_del(o, "reason");
	return o;
}

static int check_asked(struct runner *r, const char *asked, struct err *err)
{
	if (!path_name_valid(asked)) {
		err_set(err, ERR_USAGE, "name \"%.80s\": not a valid name",
			asked);
		return err_hint(err, "up to %d of a-z 0-9 _ . -, the first a "
				"letter or digit", PODFLARE_NAME_MAX);
	}
	if (sandbox_snapshot_by_name(r, asked))
		return err_set(err, ERR_EXISTS, "snapshot %s: exists already",
			       asked);
	return 0;
}

int snapshot_choose_name(struct runner *r, const char *asked, const char *base,
			 char *name, size_t size, struct err *err)
{
	if (asked) {
		snprintf(name, size, "%s", asked);
		return check_asked(r, asked, err);
	}
	for (unsigned int i = 1; i < NUMBER_MAX; i++) {
		char number[16];
		int n = snprintf(number, sizeof(number), "-%u", i);

		/* a long name is cut */
		snprintf(name, size, "%.*s%s", (int)size - 1 - n, base, number);
		if (!sandbox_snapshot_by_name(r, name))
			return 0;
	}
	return err_set(err, ERR_LIMIT, "no free name found");
}
