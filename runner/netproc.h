/* SPDX-License-Identifier: MIT */
/*
 * runner/netproc.h - the podflare-net process of a sandbox
 *
 * Started when its guest first sends a frame, and again when it sends one after
 * its process has ended.  It ends with the VMM, of which it has the other end of
 * the guest's wire; so it outlives the runner, which then knows no more of it.
 */
#ifndef PODFLARE_RUNNER_NETPROC_H
#define PODFLARE_RUNNER_NETPROC_H

#include "common/netpolicy.h"
#include "runner/sandbox.h"

/* Set sb->card and sb->net by the text of a policy, NULL: off. Return: 0, or -1
 * with @err. */
int netproc_set_policy(struct sandbox *sb, const char *text, struct err *err);
/* Take over another one's. */
void netproc_copy_policy(struct sandbox *sb, const struct sandbox *from);
/* The VMM says that its guest sends. Return: 0, or -1 with @err. */
int netproc_start(struct sandbox *sb, struct err *err);
/* At the runner's end: forget those that go on. */
void netproc_let_go(struct runner *r);

#endif
