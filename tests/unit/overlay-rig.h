/* SPDX-License-Identifier: MIT */
/* tests/unit/overlay-rig.h - a real overlay over the rig's halves, and what
 * differs in it, found out the slow way */
#ifndef PODFLARE_TESTS_OVERLAY_RIG_H
#define PODFLARE_TESTS_OVERLAY_RIG_H

#include "tests/unit/agent-rig.h"

/* Mounts of this process are its own from now on. Return: false when it may not
 * have any. */
bool overlay_possible(void);
/* Mount rig->upper over rig->lower at "rig->dir/root", as pid 1 does. */
void overlay_mount(struct rig *r);
void overlay_umount(struct rig *r);
/* Everything in both halves goes. */
void overlay_clear(struct rig *r);
/*
 * One line "CHANGE PATH" for each path of the mounted root that differs from
 * the lower half, sorted by path as bytes.
 * @param all every path of the root, CHANGE being 0
 */
void overlay_expect(struct rig *r, bool all, struct buf *lines);

struct stat;
/* Called in order of paths. @param now, old NULL where there is none */
typedef void tree_fn(void *arg, const char *path, uint32_t change,
		     const struct stat *now, const struct stat *old);
/* Where the folder @now differs from @old. */
void tree_compare(const char *now, const char *old, tree_fn *fn, void *arg);
/* @n random operations in a folder. @param seed says which, and is moved on */
void tree_operate(const char *top, unsigned int *seed, int n);
/* A random path, of the names that those operations use: no slash before it. */
void tree_pick_path(unsigned int *seed, char *path, size_t size);

#endif
