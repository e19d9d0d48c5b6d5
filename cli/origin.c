/* SPDX-License-Identifier: MIT */
/*
 * cli/origin.c - what sandboxes came from, and a look at it
 *
 * Runs in the CLI.  Distrusts the runner's answers for form.
 */
#include "cli/origin.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cli/output.h"
#include "common/cleanup.h"

#define SECOND 1000000000LL

/* "2026-01-31T12:00:00Z"; parts of a second are dropped, which only makes it
 * earlier. Return: ns, 0 when it is none. */
static int64_t time_of(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return end ? (int64_t)timegm(&tm) * SECOND : 0;
}

/* See origin.h. */
int origin_of(struct origin *o, const struct side *s, const struct side *with,
	      struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_JSON json_t *reply = NULL;
	json_t *params = json_pack("{s:s}", "sandbox", s->id);
	const char *kind;

	*o = (struct origin){ 0 };
	if (with)
		json_object_set_new(params, "with", json_string(with->id));
	if (client_open(&c, s->env->globals, err) < 0) {
		json_decref(params);
		return -1;
	}
	c.interrupt_fd = s->env->sigs->fd;
	reply = client_call(&c, "sandbox.origin", params, err);
	if (!reply)
		return -1;
	kind = json_text(reply, "kind");
	if (!strcmp(kind, "image"))
		return 0;
	o->kind = strcmp(kind, "snapshot") ? "point" : "snapshot";
	o->time = time_of(json_text(reply, "time"));
	o->id = strdup(json_text(reply, o->kind));
	if (!o->id)
		return err_sys(err, ENOMEM, "origin");
	if ((strcmp(kind, "fork") != 0 && strcmp(kind, "snapshot") != 0) ||
	    !*o->id || !o->time)
		return err_set(err, ERR_PROTOCOL,
			       "the runner's answer: not an origin");
	return 0;
}

void origin_free(struct origin *o)
{
	free(o->id);
	o->id = NULL;
}

/* See origin.h. */
int view_open(struct view *v, const struct origin *o, const struct side *of,
	      struct err *err)
{
	CLEANUP_JSON json_t *reply = NULL;

	*v = (struct view)VIEW_INIT;
	if (asprintf(&v->name, "what %s came from", of->name) < 0)
		return err_sys(err, ENOMEM, "view");
	if (client_open(&v->client, of->env->globals, err) < 0)
		return -1;
	v->client.interrupt_fd = of->env->sigs->fd;
	reply = client_call(&v->client, "sandbox.view",
			    json_pack("{s:s}", o->kind, o->id), err);
	if (!reply)
		return err_context(err, "%s", v->name);
	return side_open_id(&v->side, of, v->name,
			    json_text(reply, "sandbox"), err);
}

/* See origin.h. */
void view_close(struct view *v)
{
	side_free(&v->side);
	client_close(&v->client);
	free(v->name);
	v->name = NULL;
}
