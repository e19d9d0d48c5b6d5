/* SPDX-License-Identifier: MIT */
/*
 * runner/req-log.c - sandbox.log
 *
 * podflared, loop thread; the log is read on a work thread.
 */
#include <stdio.h>

#include "runner/events.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/request.h"

#define LOG_BUDGET (700 * 1024)	/* of a reply of 1 MiB at most */

static const char *text(const json_t *event, const char *key)
{
	const char *s = json_string_value(json_object_get(event, key));

	return s ? s : "";
}

/* Of a sandbox that may be gone: the newest of that name, or its id.
 * Return: a new reference, NULL. */
static json_t *find_id(struct runner *r, const json_t *list, const char *ref)
{
	struct err err = ERR_INIT;
	struct sandbox *sb = sandbox_find(r, ref, &err);

	if (sb)
		return json_string(sb->id);
	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *e = json_array_get(list, i);

		if (!strcmp(text(e, "name"), ref) ||
		    !strcmp(text(e, "sandbox"), ref))
			return json_string(text(e, "sandbox"));
	}
	return NULL;
}

/* What concerns @id: its own events, those of its copies and of what was merged
 * into it, and how its ancestors came to be. Return: a new list. */
static json_t *select_events(const json_t *list, const char *id)
{
	json_t *out = json_array(), *kin = json_object();
	const char *what, *sb, *parent;

	/* backwards: a copy is told of after its parent */
	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *e = json_array_get(list, i);
		bool own, birth;

		what = text(e, "what");
		sb = text(e, "sandbox");
		parent = text(e, "parent");
		own = !strcmp(sb, id) || !strcmp(parent, id);
		birth = (!strcmp(what, "fork") || !strcmp(what, "create")) &&
			json_object_get(kin, sb);
		if (!own && !birth)
			continue;
		json_array_insert(out, 0, e);
		if (!strcmp(what, "merge") || !strcmp(what, "merge-files"))
			json_object_set_new(kin, sb, json_true());
		if (*parent && (birth || !strcmp(sb, id)))
			json_object_set_new(kin, parent, json_true());
	}
	json_decref(kin);
	return out;
}

/* The newest that fit. Return: a new list. */
static json_t *newest(const json_t *list, bool *cut)
{
	json_t *out = json_array(), *all = json_array();
	size_t used = 0, size, i = json_array_size(list);

	for (; i-- > 0; used += size) {
		json_t *e = json_array_get(list, i);

		size = json_dumpb(e, NULL, 0, JSON_COMPACT) + 2;
		if (used + size > LOG_BUDGET) {
			*cut = true;
			break;
		}
		json_array_append(all, e);
	}
	for (i = json_array_size(all); i-- > 0;)
		json_array_append(out, json_array_get(all, i));
	json_decref(all);
	return out;
}

static void read_done(void *arg, const struct err *err, json_t *list)
{
	struct request *rq = arg;
	const char *ref = param_str(rq->params, "sandbox", NULL);
	json_t *id = NULL, *some = NULL, *o;
	struct err e = ERR_INIT;
	bool cut = false;

	if (!err && ref) {
		id = find_id(rq->runner, list, ref);
		if (id)
			some = select_events(list, json_string_value(id));
		else
			err_set(&e, ERR_NOT_FOUND, "sandbox %.64s: nothing is "
				"known of it", ref);
	}
	if (err || e.code) {
		request_fail(rq, err ? err : &e, NULL);
	} else {
		o = json_pack("{s:o}", "events", newest(some ? some : list,
							&cut));
		if (cut)
			json_object_set_new(o, "truncated", json_true());
		request_done(rq, o);
	}
	json_decref(id);
	json_decref(some);
	json_decref(list);
}

void method_sandbox_log(struct request *rq)
{
	events_read(rq->runner, read_done, rq);
}
