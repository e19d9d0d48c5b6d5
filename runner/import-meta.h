/* SPDX-License-Identifier: MIT */
/* runner/import-meta.h - what an exported snapshot says of itself */
#ifndef PODFLARE_RUNNER_IMPORT_META_H
#define PODFLARE_RUNNER_IMPORT_META_H

#include "runner/sandbox.h"

/* That text for snapshot @s. Return: malloc'ed, NULL: no memory. */
char *import_meta_make(const struct sandbox *s);
/* Register a snapshot, in state CREATING, as the text says. @name NULL: what it
 * was called. Return: not a reference, NULL with @err: the text is not ours, or
 * it cannot be restored here. */
struct sandbox *import_meta_register(struct runner *r, const char *text,
				     const char *name, struct err *err);

#endif
