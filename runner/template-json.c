/* SPDX-License-Identifier: MIT */
/*
 * runner/template-json.c - templates as the API shows them
 *
 * podflared, loop thread.
 */
#include "runner/template-json.h"

#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runner/chain.h"
#include "runner/saved.h"

uint64_t template_resident(const struct sandbox *t)
{
	unsigned long long all, pages = 0;
	CLEANUP_FILE FILE *f = NULL;
	char path[64];

	if (!t->vm)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)vmproc_pid(t->vm));
	f = fopen(path, "re");
	if (!f || fscanf(f, "%llu %llu", &all, &pages) != 2)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

json_t *template_to_json(const struct sandbox *t)
{
	uint64_t disk = t->dirfd >= 0 ? chain_used(t->dirfd) : 0;

	if (t->filed)
		disk += saved_used(t->dirfd);
	return json_pack("{s:s, s:s, s:i, s:I, s:I, s:b, s:I, s:b, s:I}", "id",
			 t->id, "created", t->created, "cpus", (int)t->cpus,
			 "memory", (json_int_t)t->memory, "disk",
			 (json_int_t)t->disk, "in_memory",
			 t->state == SB_HELD && t->vm, "memory_used",
			 (json_int_t)template_resident(t), "on_disk", t->filed,
			 "disk_used", (json_int_t)disk);
}

json_t *template_list(struct runner *r, const char *digest)
{
	json_t *list = json_array();
	struct sandbox *t;

	TAILQ_FOREACH(t, &r->hidden, link)
		if (t->kind == SB_TEMPLATE && strcmp(t->digest, digest) == 0 &&
		    (t->state == SB_HELD || t->state == SB_FROZEN ||
		     t->state == SB_THAWING))
			json_array_append_new(list, template_to_json(t));
	return list;
}
