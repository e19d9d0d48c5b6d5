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
		return p->sandboxes_fd;
	case SB_POINT:
	case SB_VIEW:
		return p->points_fd;
	case SB_TEMPLATE:
		return p->templates_fd;
	}
	BUG("kind of sandbox");
}

bool sandbox_is_held(const struct sandbox *sb)
{
	return sb->kind == SB_POINT || sb->kind == SB_TEMPLATE;
}

/* Where it is counted, NULL: nowhere. */
static unsigned int *counter(struct runner *r, enum sandbox_kind kind)
{
	switch (kind) {
	case SB_SANDBOX:
		return &r->nr_sandboxes;
	case SB_VIEW:
		return &r->nr_views;
	case SB_POINT:
		break;	/* there are no more of them than of sandboxes */
	case SB_TEMPLATE:
		break;	/* template.c has a bound */
	}
	return NULL;
}

struct sandbox *sandbox_new(struct runner *r, enum sandbox_kind kind,
			    const char *id, const char *name,
			    enum sandbox_state state, struct err *err)
{
	unsigned int *n = counter(r, kind);
	struct sandbox *sb;

	if (kind == SB_SANDBOX && *n >= RUNNER_SANDBOXES_MAX) {
		err_set(err, ERR_LIMIT, "there are %d sandboxes already",
			RUNNER_SANDBOXES_MAX);
		return NULL;
	}
	if (kind == SB_VIEW && *n >= RUNNER_VIEWS_MAX) {
		err_set(err, ERR_LIMIT, "%d points of forks are being looked "
			"at already", RUNNER_VIEWS_MAX);
		return NULL;
	}
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
	if (kind == SB_SANDBOX)
		TAILQ_INSERT_TAIL(&r->sandboxes, sb, link);
	else
		TAILQ_INSERT_TAIL(&r->hidden, sb, link);
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
	json_decref(sb->steps);
	if (sb->dirfd >= 0)
		close(sb->dirfd);
	free(sb);
}

void sandbox_unregister(struct sandbox *sb)
{
	struct runner *r = sb->runner;
	unsigned int *n = counter(r, sb->kind);

	if (sb->kind == SB_SANDBOX)
		TAILQ_REMOVE(&r->sandboxes, sb, link);
	else
		TAILQ_REMOVE(&r->hidden, sb, link);
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

struct sandbox *sandbox_by_name(struct runner *r, const char *name)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, &r->sandboxes, link)
		if (sb->state != SB_REMOVING && strcmp(sb->name, name) == 0)
			return sb;
	return NULL;
}

struct sandbox *sandbox_find(struct runner *r, const char *ref,
			     struct err *err)
{
	struct sandbox *sb = sandbox_by_name(r, ref), *found = NULL;
	size_t len = strlen(ref);

	if (sb)
		return sb;
	TAILQ_FOREACH(sb, &r->sandboxes, link) {
		if (sb->state == SB_REMOVING || len < PREFIX_MIN ||
		    strncmp(sb->id, ref, len) != 0)
			continue;
		if (found) {
			err_set(err, ERR_USAGE,
				"sandbox %.64s: several ids begin so", ref);
			return NULL;
		}
		found = sb;
	}
	if (!found)
		found = sandbox_hidden(r, SB_VIEW, ref);
	if (found)
		return found;
	err_set(err, ERR_NOT_FOUND, "sandbox %.64s: there is no such sandbox",
		ref);
	err_hint(err, "podflare ls lists them");
	return NULL;
}
