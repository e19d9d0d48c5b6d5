/* SPDX-License-Identifier: MIT */
/*
 * runner/template-find.c - the templates that are there
 *
 * podflared, loop thread.
 */
#include "runner/template-find.h"

bool template_alike(const struct sandbox *a, const struct sandbox *b)
{
	return strcmp(a->digest, b->digest) == 0 && a->cpus == b->cpus &&
	       a->memory == b->memory && a->disk == b->disk &&
	       a->card == b->card;
}

void template_stamp(struct sandbox *sb)
{
	json_object_set_new(sb->labels, TEMPLATE_MAKER,
			    json_string(maker_text(&sb->runner->maker)));
}

bool template_is_current(const struct sandbox *t)
{
	const char *was = json_string_value(json_object_get(t->labels,
							    TEMPLATE_MAKER));

	return was && strcmp(maker_text(&t->runner->maker), was) == 0;
}

struct sandbox *template_in_state(struct sandbox *sb, enum sandbox_state state)
{
	struct sandbox *t;

	TAILQ_FOREACH(t, &sb->runner->hidden, link) {
		if (t->kind != SB_TEMPLATE || t->state != state ||
		    !template_alike(t, sb) || !template_is_current(t))
			continue;
		/* it may have been killed just now */
		if (t->vm)
			vmproc_check(t->vm);
		if (t->state == state && (t->vm != NULL) == (state == SB_HELD)) {
			t->used_ns = now_ns();
			return t;
		}
	}
	return NULL;
}

struct sandbox *template_find(struct sandbox *sb)
{
	return template_in_state(sb, SB_HELD);
}

struct sandbox *template_in_files(struct sandbox *sb)
{
	struct sandbox *t = template_in_state(sb, SB_HELD);

	if (t && t->filed)
		return t;
	return template_in_state(sb, SB_FROZEN);
}
