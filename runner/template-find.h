/* SPDX-License-Identifier: MIT */
/* runner/template-find.h - the templates that are there */
#ifndef PODFLARE_RUNNER_TEMPLATE_FIND_H
#define PODFLARE_RUNNER_TEMPLATE_FIND_H

#include "runner/sandbox.h"

#define TEMPLATE_MAKER "maker"	/* a template's label */

/* Whether a template of the one fits the other: same image, same sizes. */
bool template_alike(const struct sandbox *a, const struct sandbox *b);
/* Mark @sb as made by the programs that are there now. */
void template_stamp(struct sandbox *sb);
/* Whether it was made by the programs that are there now. */
bool template_is_current(const struct sandbox *t);
/* Return: one for @sb in @state, SB_HELD or SB_FROZEN; NULL: there is none. */
struct sandbox *template_in_state(struct sandbox *sb,
				  enum sandbox_state state);
/* Return: the template for what @sb is to be, NULL: there is none yet. */
struct sandbox *template_find(struct sandbox *sb);
/* Return: one for @sb that has all its memory in a file, NULL: there is none. */
struct sandbox *template_in_files(struct sandbox *sb);

#endif
