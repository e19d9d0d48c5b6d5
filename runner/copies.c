/* SPDX-License-Identifier: MIT */
/*
 * runner/copies.c - the sandboxes that a fork is to make, before it does
 *
 * podflared, loop thread.  Distrusts the client for form: names are checked,
 * environments are bounded.
 */
#include "runner/copies.h"

#include <stdio.h>
#include <time.h>

#include "runner/agent-json.h"
#include "runner/netproc.h"
#include "runner/param.h"

#define NUMBER_MAX 100000	/* that is tried for a name */
#define TEXTS_MAX (64 * 1024)	/* bytes of env, of labels */

struct sandbox *copies_register(struct sandbox *from, enum sandbox_kind kind,
				const char *name, struct err *err)
{
	char id[SANDBOX_ID_LEN + 1];
	struct sandbox *sb;
	time_t now = time(NULL);
	struct tm tm;

	names_id(id);
	sb = sandbox_new(from->runner, kind, id, name ? name : id, SB_CREATING,
			 err);
	if (!sb)
		return NULL;
	snprintf(sb->image, sizeof(sb->image), "%s", from->image);
	snprintf(sb->digest, sizeof(sb->digest), "%s", from->digest);
	snprintf(sb->kernel, sizeof(sb->kernel), "%s", from->kernel);
	snprintf(sb->disk_base, sizeof(sb->disk_base), "%s", from->disk_base);
	sb->cpus = from->cpus;
	sb->memory = from->memory;
	sb->disk = from->disk;
	sb->idle_ms = from->idle_ms;
	sb->idle_rm = from->idle_rm;
	sb->env = json_deep_copy(from->env);
	sb->labels = json_deep_copy(from->labels);
	netproc_copy_policy(sb, from);
	gmtime_r(&now, &tm);
	strftime(sb->created, sizeof(sb->created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	sb->origin.forked = true;
	snprintf(sb->origin.parent, sizeof(sb->origin.parent), "%s", from->id);
	snprintf(sb->origin.parent_name, sizeof(sb->origin.parent_name), "%s",
		 from->name);
	snprintf(sb->origin.time, sizeof(sb->origin.time), "%s", sb->created);
	return sb;
}

static int check_name(const char *name, struct err *err)
{
	if (path_name_valid(name))
		return 0;
	err_set(err, ERR_USAGE, "name \"%.80s\": not a valid name", name);
	return err_hint(err, "up to %d of a-z 0-9 _ . -, the first a letter or "
			"digit", PODFLARE_NAME_MAX);
}

/* The name of child @i. @asked NULL: the parent's with the next number that is
 * free, from *@number on. */
static int name_child(struct sandbox *parent, const char *asked, unsigned int i,
		      unsigned int n, unsigned int *number, char *name,
		      size_t size, struct err *err)
{
	const struct sandbox *other;
	int len;

	if (asked) {
		len = n == 1 ? snprintf(name, size, "%s", asked)
			     : snprintf(name, size, "%s-%u", asked, i + 1);
		if (len < 0 || (size_t)len >= size || check_name(name, err) < 0)
			return check_name(asked, err) < 0 ? -1 :
				err_set(err, ERR_USAGE, "name \"%.80s-%u\": "
					"too long, 63 characters at most",
					asked, i + 1);
		other = sandbox_by_name(parent->runner, name);
		if (!other)
			return 0;
		return err_set(err, ERR_EXISTS, "sandbox %s: exists already "
			       "(%s)", name, sandbox_state_name(other->state));
	}
	for (; *number < NUMBER_MAX; ++*number) {
		len = snprintf(name, size, "%s-%u", parent->name, *number);
		if (len < 0 || (size_t)len >= size)
			names_random(name, size, *number);
		if (!sandbox_by_name(parent->runner, name)) {
			++*number;
			return 0;
		}
	}
	return err_set(err, ERR_LIMIT, "no free name found");
}

/* Put the call's own over the parent's. */
static int add_texts(json_t *to, const json_t *params, const char *name,
		     struct err *err)
{
	json_t *v = param_get(params, name), *text;
	size_t total = 0;
	const char *key;

	if (!v)
		return 0;
	json_object_update(to, v);
	json_object_foreach(to, key, text)
		total += strlen(key) + json_string_length(text);
	if (total > TEXTS_MAX)
		return err_set(err, ERR_LIMIT, "%s: over %d bytes", name,
			       TEXTS_MAX);
	return 0;
}

static int add_child(struct copies *c, struct sandbox *parent,
		     const char *name, const json_t *params, struct err *err)
{
	struct sandbox *sb = copies_register(parent, SB_SANDBOX, name, err);

	if (!sb)
		return -1;
	c->children[c->n++] = sandbox_ref(sb);
	snprintf(sb->origin.point, sizeof(sb->origin.point), "%s",
		 c->point->id);
	snprintf(sb->head, sizeof(sb->head), "%s", c->point->id);
	return add_texts(sb->env, params, "env", err) < 0 ||
	       add_texts(sb->labels, params, "labels", err) < 0 ? -1 : 0;
}

int copies_make(struct copies *c, struct sandbox *parent, const json_t *params,
		unsigned int n, struct err *err)
{
	const char *asked = param_str(params, "name", NULL);
	char name[PODFLARE_NAME_MAX + 1];
	const json_t *env = param_get(params, "env");
	struct sandbox *point;
	unsigned int i, number = 1;

	*c = (struct copies){ .n = 0 };
	if ((asked && check_name(asked, err) < 0) ||
	    (env && agent_check_env(env, err) < 0))
		return -1;
	c->children = calloc(n, sizeof(struct sandbox *));
	if (!c->children)
		return err_set(err, ERR_NO_MEMORY, "fork");
	point = copies_register(parent, SB_POINT, NULL, err);
	if (!point) {
		copies_free(c);
		return -1;
	}
	c->point = sandbox_ref(point);
	snprintf(point->head, sizeof(point->head), "%s", parent->head);
	for (i = 0; i < n; i++) {
		if (name_child(parent, asked, i, n, &number, name,
			       sizeof(name), err) == 0 &&
		    add_child(c, parent, name, params, err) == 0)
			continue;
		copies_unregister(c);
		copies_free(c);
		return -1;
	}
	return 0;
}

void copies_unregister(struct copies *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		sandbox_unregister(c->children[i]);
	if (c->point)
		sandbox_unregister(c->point);
}

void copies_free(struct copies *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		sandbox_unref(c->children[i]);
	if (c->point)
		sandbox_unref(c->point);
	free(c->children);
	*c = (struct copies){ .n = 0 };
}
