/* SPDX-License-Identifier: MIT */
/*
 * runner/flatten.h - the chain of a guest that runs, made shorter
 *
 * In the background, one at a time for a sandbox (its `flat`).  Forks may come
 * meanwhile: only while it holds the folder they have to wait.
 */
#ifndef PODFLARE_RUNNER_FLATTEN_H
#define PODFLARE_RUNNER_FLATTEN_H

#include "runner/sandbox.h"

/* It is through; nothing is left of it. @err NULL: there are fewer layers. */
typedef void (*flatten_cb)(struct sandbox *sb, const struct err *err);

/* Begin. Return: 0, or -1 with @err; then @cb is not called, nor is it from
 * here. */
int flatten_start(struct sandbox *sb, flatten_cb cb, struct err *err);
/* Whether it changes the folder now: for some milliseconds. */
bool flatten_holds(const struct sandbox *sb);
/* Nobody uses the folder. Return: whether it has waited for that, and holds the
 * folder from now on. */
bool flatten_turn(struct sandbox *sb);
/* Give up, as soon as can be, unless it holds the folder. */
void flatten_stop(struct sandbox *sb);

#endif
