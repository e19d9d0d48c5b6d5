/* SPDX-License-Identifier: MIT */
/*
 * runner/sandbox-json.c - a sandbox as the API shows it
 *
 * podflared, loop thread.  Texts that a guest has written are made harmless.
 */
#include "runner/sandbox-json.h"

#include "runner/chain.h"
#include "runner/saved.h"
#include "runner/text.h"

#define CONSOLE_LINES 20
#define CONSOLE_BUDGET 16384
#define LIST_BUDGET (384 * 1024)	/* of 1 MiB, for whole elements */

json_t *sandbox_origin_json(const struct sandbox *sb)
{
	const struct sandbox_origin *from = &sb->origin;
	json_t *o = json_pack("{s:s, s:O}", "how",
			      from->forked ? "fork" :
			      from->how[0] ? from->how : "cold boot", "steps",
			      sb->steps);

	if (from->started[0])
		json_object_set_new(o, "started",
				    json_string(from->started));
	if (from->forked)
		json_object_set_new(o, "point", json_string(from->point));
	if (from->parent[0])
		json_object_update_new(o, json_pack(
			"{s:s, s:s, s:s}", "parent", from->parent,
			"parent_name", from->parent_name, "time", from->time));
	return o;
}

json_t *sandbox_to_json(struct sandbox *sb)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:O, s:O, "
		"s:o, s:I}",
		"id", sb->id, "name", sb->name, "state",
		sandbox_state_name(sb->state), "image", sb->image, "image_digest",
		sb->digest, "created", sb->created, "cpus", (int)sb->cpus,
		"memory", (json_int_t)sb->memory, "disk",
		(json_int_t)sb->disk, "env", sb->env, "labels", sb->labels,
		"origin", sandbox_origin_json(sb), "disk_used",
		(json_int_t)(sb->dirfd >= 0 ? chain_used(sb->dirfd) : 0));

	json_object_set_new(o, "net", sb->net ? json_incref(sb->net)
					      : json_string("off"));
	json_object_set_new(o, "pid", sb->vm
			    ? json_integer(vmproc_pid(sb->vm)) : json_null());
	if (sb->state == SB_FROZEN || sb->state == SB_THAWING)
		json_object_set_new(o, "memory_saved", json_integer(
			(json_int_t)saved_used(sb->dirfd)));
	if (sb->idle_ms)
		json_object_update_new(o, json_pack(
			"{s:I, s:s}", "idle_timeout_ms",
			(json_int_t)sb->idle_ms, "on_idle",
			sb->idle_rm ? "rm" : "freeze"));
	if (sb->kernel[0])
		json_object_set_new(o, "kernel", json_string(sb->kernel));
	if (sb->reason[0])
		json_object_set_new(o, "reason", json_string(sb->reason));
	if (sb->state == SB_FAILED && sb->dirfd >= 0)
		json_object_set_new(o, "console_tail",
				    text_tail_file(sb->dirfd, SANDBOX_CONSOLE,
						   CONSOLE_LINES,
						   CONSOLE_BUDGET,
						   TEXT_CLEAN));
	return o;
}

json_t *sandbox_to_item(struct sandbox *sb, size_t *used)
{
	static const char *const longer[] = { "env", "labels", "origin",
					      "reason", "net" };
	json_t *o = sandbox_to_json(sb);
	size_t size;

	json_object_del(o, "console_tail");
	size = json_dumpb(o, NULL, 0, JSON_COMPACT);
	if (*used + size <= LIST_BUDGET) {
		*used += size;
		return o;
	}
	for (size_t i = 0; i < ARRAY_SIZE(longer); i++)
		json_object_del(o, longer[i]);
	return o;
}
