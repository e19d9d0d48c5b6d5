/* SPDX-License-Identifier: MIT */
/*
 * cli/ended.c - why a sandbox is not there any more, for a broken stream
 *
 * Runs in the CLI.
 */
#include "cli/ended.h"

#include "cli/client.h"
#include "cli/output.h"

/* The newest event of the sandbox. Return: a new reference, NULL. */
static json_t *last_event(struct client *c, const char *sandbox)
{
	struct err ignored = ERR_INIT;
	CLEANUP_JSON json_t *log = client_call(c, "sandbox.log",
					       json_pack("{s:s}", "sandbox",
							 sandbox), &ignored);
	const json_t *list = json_object_get(log, "events");
	size_t n = json_array_size(list);

	return n ? json_incref(json_array_get(list, n - 1)) : NULL;
}

static void set_reason(const json_t *sb, const json_t *event,
		       const char *sandbox, struct err *err)
{
	const char *what = json_text(event, "what");
	const char *state = json_text(sb, "state");
	struct err e = ERR_INIT;

	if (!sb && strcmp(what, "rm") == 0)
		err_set(&e, ERR_GUEST, "sandbox %s: was removed, and the "
			"command with it", sandbox);
	else if (!sb && strcmp(what, "merge") == 0)
		err_set(&e, ERR_GUEST, "sandbox %s: was merged into %s",
			sandbox, json_text(event, "parent_name"));
	else if (strcmp(state, "failed") == 0 || strcmp(state, "stopped") == 0)
		err_set(&e, ERR_GUEST, "sandbox %s: has %s: %s", sandbox,
			state, json_text(sb, "reason"));
	else if (sb && strcmp(what, "merge") == 0 &&
		 !strcmp(json_text(event, "parent"), json_text(sb, "id")))
		err_set(&e, ERR_GUEST, "sandbox %s: was replaced by %s "
			"(merge), and the command ended with it", sandbox,
			json_text(event, "name"));
	else if (sb && strcmp(what, "reset") == 0)
		err_set(&e, ERR_GUEST, "sandbox %s: was reset to snapshot %s, "
			"and the command ended with it", sandbox,
			json_text(event, "snapshot_name"));
	if (e.code)
		*err = e;
}

/* See ended.h. */
int ended_explain(struct globals *g, const char *sandbox, struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_JSON json_t *sb = NULL;
	CLEANUP_JSON json_t *event = NULL;
	struct err e = ERR_INIT;

	if (err->code != ERR_GUEST || client_open(&c, g, &e) < 0)
		return -1;
	sb = client_call(&c, "sandbox.show",
			 json_pack("{s:s}", "sandbox", sandbox), &e);
	if (!sb && e.code != ERR_NOT_FOUND)
		return -1;
	event = last_event(&c, sandbox);
	set_reason(sb, event, sandbox, err);
	return -1;
}
