/* SPDX-License-Identifier: MIT */
/* runner/net/isolate.h - give up what a network process does not need */
#ifndef PODFLARE_NET_ISOLATE_H
#define PODFLARE_NET_ISOLATE_H

#include <stdbool.h>

#include "common/err.h"

/* Return: whether there is a filter in this program: not with sanitizers, which make
 * system calls of their own. */
bool isolate_built(void);
/* No new privileges, no capabilities, no files but what names are looked up with,
 * and a short list of system calls. Once, before the first frame.
 * Return: 0, or -1 with @err. */
int isolate_enter(struct err *err);

#endif
