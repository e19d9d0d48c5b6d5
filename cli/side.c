/* SPDX-License-Identifier: MIT */
/*
 * cli/side.c - a sandbox whose files are compared or merged
 *
 * Runs in the CLI.  Distrusts what a sandbox tells of its files: change.h.
 */
#include "cli/side.h"

#include <errno.h>

#include "cli/output.h"
#include "common/cleanup.h"

/* See side.h. */
int side_env_signal(struct side_env *env)
{
	/* a stream has read it, or a call has only seen that there is one */
	if (!env->signal)
		env->signal = sigs_read(env->sigs);
	return env->signal;
}

/* See side.h. */
int side_open(struct side *s, struct side_env *env, const char *name,
	      struct err *err)
{
	CLEANUP_JSON json_t *sandbox = NULL;
	json_t *params = json_pack("{s:s}", "sandbox", name);

	*s = (struct side){
		.env = env, .name = name, .holder = CLIENT_INIT,
	};
	if (!params)
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", name);
	sandbox = client_once(env->globals, "sandbox.show", params, err);
	if (!sandbox)
		return -1;
	s->id = strdup(json_text(sandbox, "id"));
	s->image = strdup(json_text(sandbox, "image_digest"));
	s->frozen = !strcmp(json_text(sandbox, "state"), "frozen");
	if (!s->id || !s->image)
		return err_sys(err, ENOMEM, "%s", name);
	return 0;
}

/* See side.h. */
int side_look(struct side *s, struct err *err)
{
	CLEANUP_JSON json_t *reply = NULL;

	if (!s->frozen)
		return 0;
	if (client_open(&s->holder, s->env->globals, err) < 0)
		return -1;
	s->holder.interrupt_fd = s->env->sigs->fd;
	reply = client_call(&s->holder, "sandbox.view",
			    json_pack("{s:s}", "sandbox", s->id), err);
	if (!reply)
		return err_context(err, "%s", s->name);
	s->view = strdup(json_text(reply, "sandbox"));
	return s->view ? 0 : err_sys(err, ENOMEM, "%s", s->name);
}

/* See side.h. */
const char *side_target(const struct side *s)
{
	return s->view ? s->view : s->id;
}

/* See side.h. */
int side_open_id(struct side *s, const struct side *like, const char *name,
		 const char *id, struct err *err)
{
	*s = (struct side){
		.env = like->env, .name = name, .holder = CLIENT_INIT,
	};
	s->id = strdup(id);
	s->image = strdup(like->image);
	if (!s->id || !s->image)
		return err_sys(err, ENOMEM, "%s", name);
	return 0;
}

void side_free(struct side *s)
{
	free(s->id);
	free(s->view);
	free(s->image);
	change_list_free(&s->changes);
	if (s->env)
		client_close(&s->holder);
	s->id = s->view = s->image = NULL;
	s->env = NULL;
}

/* The paths for the agent; what cannot be said in JSON is filtered here only.
 * Return: NULL when memory is out. */
static json_t *list_params(const struct gpath_filter *filter, bool all)
{
	json_t *params = json_object(), *paths = json_array();
	bool said = filter->n > 0;

	for (size_t i = 0; i < filter->n; i++)
		if (json_array_append_new(paths, json_string(filter->v[i])) < 0)
			said = false;
	if (said)
		json_object_set(params, "paths", paths);
	if (all)
		json_object_set_new(params, "all", json_true());
	json_decref(paths);
	return params;
}

/* What makes a machine itself: made anew in every copy, a fork's or a view's,
 * so it is no difference and nothing to merge. */
static bool is_identity(const char *path)
{
	static const char *const paths[] = {
		"/etc/machine-id",
		"/var/lib/dbus/machine-id",
		"/var/lib/systemd/random-seed",
		"/var/lib/urandom/random-seed",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (!strcmp(path, paths[i]))
			return true;
	return false;
}

/* What is not wanted goes, in place. */
static void keep(struct change_list *list, const struct gpath_filter *filter)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const char *path = list->v[i].path;

		if (gpath_filter_match(filter, path) && !is_identity(path))
			list->v[n++] = list->v[i];
		else
			change_free(&list->v[i]);
	}
	list->n = n;
}

/* See side.h. */
int side_list(struct side *s, const struct gpath_filter *filter, bool all,
	      struct err *err)
{
	CLEANUP_SIDE_STREAM struct side_stream st = { 0 };
	struct change_parser p;
	const void *data;
	size_t len;
	int rc;

	if (side_stream_open(&st, s, "files.changes", list_params(filter, all),
			     "looking for changes", err) < 0)
		return -1;
	s->all = all;
	change_parser_init(&p, &s->changes, all);
	while ((rc = side_stream_some(&st, SIZE_MAX, &data, &len, err)) > 0) {
		rc = change_parse(&p, data, len, err);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		rc = change_parse_end(&p, err);
	change_parser_free(&p);
	if (rc < 0)
		return err_context(err, "%s", s->name);
	keep(&s->changes, filter);
	return 0;
}

/* One question, one answer each. */
static int hash_some(struct side *s, struct change *const *v, char **paths,
		     size_t n, struct err *err)
{
	CLEANUP_SIDE_STREAM struct side_stream st = { 0 };

	if (side_stream_open(&st, s, "files.hash", NULL, "comparing contents",
			     err) < 0 ||
	    side_stream_ask(&st, paths, n, false, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct change c;

		if (side_stream_record(&st, paths[i], &c, err) < 0)
			return -1;
		if (c.hashed && !c.sys) {
			memcpy(v[i]->digest, c.digest, DIGEST_SIZE);
			v[i]->hashed = true;
		}
		change_free(&c);
	}
	return side_stream_end(&st, err);
}

/* See side.h. */
int side_hash(struct side *s, struct change *const *v, size_t n,
	      struct err *err)
{
	CLEANUP_FREE char **paths = calloc(n + 1, sizeof(*paths));

	if (!paths)
		return err_sys(err, ENOMEM, "paths");
	for (size_t i = 0; i < n; i++)
		paths[i] = v[i]->path;
	for (size_t i = 0; i < n;) {
		size_t some = side_batch(paths + i, n - i);

		if (hash_some(s, v + i, paths + i, some, err) < 0)
			return err_context(err, "%s", s->name);
		i += some;
	}
	return 0;
}
