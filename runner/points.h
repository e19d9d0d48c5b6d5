/* SPDX-License-Identifier: MIT */
/*
 * runner/points.h - the tree of forks
 *
 * A point is a sandbox at the instant of a fork; a snapshot is one, too.  Each
 * point knows the one before it (`head`), each sandbox the newest that it passed,
 * as parent or as child: like commits and branches.  What two sandboxes have in
 * common is the newest point on both their ways.
 */
#ifndef PODFLARE_RUNNER_POINTS_H
#define PODFLARE_RUNNER_POINTS_H

#include "runner/sandbox.h"

/* Return: the newest point that both passed, NULL when there is none. */
struct sandbox *points_common(const struct sandbox *a, const struct sandbox *b);
/* Whether @sb was forked from the sandbox @id, or from one that was, ... */
bool points_descends(const struct sandbox *sb, const char *id);
/* The snapshot @s of @sb is on disk: a point on the way of @sb, behind the one
 * that was the newest when it was begun (its `head`). */
void points_pass_snapshot(struct sandbox *sb, const struct sandbox *s);
/* The snapshot goes: out of all ways. */
void points_forget_snapshot(struct sandbox *s);
/* Remove the points that nobody needs any more: a point is needed while a
 * sandbox lives that was made there, or several ways meet in it. */
void points_sweep(struct runner *r);

#endif
