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

#endif
