/* SPDX-License-Identifier: MIT */
/* runner/export.h - a snapshot as one stream of bytes (docs/snapshot-format.md) */
#ifndef PODFLARE_RUNNER_EXPORT_H
#define PODFLARE_RUNNER_EXPORT_H

#include "runner/sandbox.h"

/* Begin to send snapshot @s: frames DATA* END, or ERROR at any time. It may be
 * removed meanwhile. Return: the receiver's end of the stream, -1 with @err. */
int export_start(struct sandbox *s, struct err *err);
/* End all that are going on (the runner ends). */
void export_cancel_all(struct runner *r);

#endif
