/* SPDX-License-Identifier: MIT */
/*
 * runner/sandbox.c - the registry of sandboxes
 *
 * podflared, loop thread.
 */
#include "runner/sandbox.h"

#include <stdio.h>
#include <unistd.h>

#define PREFIX_MIN 4

int sandbox_home(const struct sandbox *sb)
{
	const struct places *p = &sb->runner->places;

	switch (sb->kind) {
	case SB_SANDBOX:
	case SB_POOL:	/* it will be one */
		return p->sandboxes_fd;
	case SB_POINT:
	case SB_VIEW:
		return p->points_fd;
	case SB_TEMPLATE:
		return p->templates_fd;
	case SB_SNAPSHOT:
		return p->snapshots_fd;
	}
	BUG("kind of sandbox");
}

bool sandbox_is_held(const struct sandbox *sb)
{
	return sb->kind == SB_POINT || sb->kind == SB_TEMPLATE;
}

bool sandbox_is_stored(const struct sandbox *sb)
{
	return sb->kind != SB_VIEW &&
	       (sb->kind != SB_SNAPSHOT || sb->state == SB_FROZEN);
}

bool sandbox_is_forked(const struct sandbox *sb)
{
	return sb->fork || !TAILQ_EMPTY(&sb->forks);
}

void sandbox_drop_name(const struct sandbox *sb, struct err *e)
{
	char prefix[PODFLARE_NAME_MAX + 16];
	size_t n = (size_t)snprintf(prefix, sizeof(prefix), "sandbox %s: ",
				    sb->name);

	if (strncmp(e->msg, prefix, n) == 0)
		memmove(e->msg, e->msg + n, strlen(e->msg + n) + 1);
}

bool sandbox_is_shown(const struct sandbox *sb)
{
	return sb->state != SB_REMOVING && !sb->standin;
}

static struct sandbox_list *list_of(struct runner *r, enum sandbox_kind kind)
{
	return kind == SB_SANDBOX ? &r->sandboxes :
	       kind == SB_SNAPSHOT ? &r->snapshots : &r->hidden;
}

/* Where it is counted, NULL: nowhere. */
static unsigned int *counter(struct runner *r, enum sandbox_kind kind)
{
	switch (kind) {
	case SB_SANDBOX:
		return &r->nr_sandboxes;
	case SB_VIEW:
		return &r->nr_views;
	case SB_SNAPSHOT:
		return &r->nr_snapshots;
	case SB_POINT:
		break;	/* there are no more of them than of sandboxes */
	case SB_TEMPLATE:
	case SB_POOL:
		break;	/* template.c and config.yaml have bounds */
	}
	return NULL;
}

static int check_limit(enum sandbox_kind kind, unsigned int n, struct err *err)
{
	if (kind == SB_SANDBOX && n >= RUNNER_SANDBOXES_MAX)
		return err_set(err, ERR_LIMIT, "there are %d sandboxes already",
			       RUNNER_SANDBOXES_MAX);
	if (kind == SB_VIEW && n >= RUNNER_VIEWS_MAX)
		return err_set(err, ERR_LIMIT, "%d points of forks are being "
			       "looked at already", RUNNER_VIEWS_MAX);
	if (kind == SB_SNAPSHOT && n >= RUNNER_SNAPSHOTS_MAX)
		return err_set(err, ERR_LIMIT, "there are %d snapshots already",
			       RUNNER_SNAPSHOTS_MAX);
	return 0;
}

struct sandbox *sandbox_new(struct runner *r, enum sandbox_kind kind,
			    const char *id, const char *name,
			    enum sandbox_state state, struct err *err)
{
	unsigned int *n = counter(r, kind);
	struct sandbox *sb;

	if (n && check_limit(kind, *n, err) < 0)
		return NULL;
	sb = calloc(1, sizeof(*sb));
	if (!sb) {
		err_set(err, ERR_NO_MEMORY, "sandbox");
		return NULL;
	}
	sb->runner = r;
	sb->kind = kind;
	sb->refs = 1;
	sb->state = state;
	sb->dirfd = -1;
	sb->steps = json_array();
	snprintf(sb->id, sizeof(sb->id), "%s", id);
	snprintf(sb->name, sizeof(sb->name), "%s", name);
	TAILQ_INIT(&sb->waits);
	TAILQ_INIT(&sb->gone_waits);
	TAILQ_INIT(&sb->forks);
	TAILQ_INSERT_TAIL(list_of(r, kind), sb, link);
	if (n)
		++*n;
	return sb;
}

struct sandbox *sandbox_ref(struct sandbox *sb)
{
	sb->refs++;
	return sb;
}

void sandbox_unref(struct sandbox *sb)
{
	if (--sb->refs)
		return;
	json_decref(sb->env);
	json_decref(sb->labels);
	json_decref(sb->net);
	json_decref(sb->steps);
	if (sb->dirfd >= 0)
		close(sb->dirfd);
	free(sb);
}

void sandbox_unregister(struct sandbox *sb)
{
	struct runner *r = sb->runner;
	unsigned int *n = counter(r, sb->kind);

	TAILQ_REMOVE(list_of(r, sb->kind), sb, link);
	if (n)
		--*n;
	sandbox_unref(sb);
}

struct sandbox *sandbox_hidden(struct runner *r, enum sandbox_kind kind,
			       const char *id)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, &r->hidden, link)
		if (sb->kind == kind && sb->state != SB_REMOVING &&
		    strcmp(sb->id, id) == 0)
			return sb;
	return NULL;
}

static struct sandbox *by_name(const struct sandbox_list *list,
			       const char *name)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, list, link)
		if (sandbox_is_shown(sb) && strcmp(sb->name, name) == 0)
			return sb;
	return NULL;
}

struct sandbox *sandbox_by_name(struct runner *r, const char *name)
{
	return by_name(&r->sandboxes, name);
}

struct sandbox *sandbox_snapshot_by_name(struct runner *r, const char *name)
{
	return by_name(&r->snapshots, name);
}

/* By name, id, or an id's beginning. Return: NULL, with @err when it is not
 * clear which one is meant. */
static struct sandbox *find_in(const struct sandbox_list *list,
			       const char *what, const char *ref,
			       struct err *err)
{
	struct sandbox *sb = by_name(list, ref), *found = NULL;
	size_t len = strlen(ref);

	if (sb)
		return sb;
	TAILQ_FOREACH(sb, list, link) {
		if (!sandbox_is_shown(sb) || len < PREFIX_MIN ||
		    strncmp(sb->id, ref, len) != 0)
			continue;
		if (found) {
			err_set(err, ERR_USAGE, "%s %.64s: several ids begin "
				"so", what, ref);
			return NULL;
		}
		found = sb;
	}
	return found;
}

struct sandbox *sandbox_find(struct runner *r, const char *ref,
			     struct err *err)
{
	struct err unclear = ERR_INIT;
	struct sandbox *sb = find_in(&r->sandboxes, "sandbox", ref, &unclear);

	if (!sb)
		sb = sandbox_hidden(r, SB_VIEW, ref);
	if (sb)
		return sb;
	if (unclear.code) {
		*err = unclear;
		return NULL;
	}
	err_set(err, ERR_NOT_FOUND, "sandbox %.64s: there is no such sandbox",
		ref);
	err_hint(err, "podflare ls lists them");
	return NULL;
}

struct sandbox *sandbox_find_snapshot(struct runner *r, const char *ref,
				      struct err *err)
{
	struct err unclear = ERR_INIT;
	struct sandbox *sb = find_in(&r->snapshots, "snapshot", ref, &unclear);

	if (sb && sb->state == SB_FROZEN && !sb->saving)
		return sb;
	if (sb && sb->state == SB_FAILED) {
		err_set(err, ERR_IO, "snapshot %s: %s", sb->name, sb->reason);
	} else if (sb) {
		err_set(err, ERR_BUSY, "snapshot %s: is being made", sb->name);
	} else if (unclear.code) {
		*err = unclear;
	} else {
		err_set(err, ERR_NOT_FOUND, "snapshot %.64s: there is no such "
			"snapshot", ref);
		err_hint(err, "podflare snapshot ls lists them");
	}
	return NULL;
}
