/* SPDX-License-Identifier: MIT */
/* guest-init/compare.h - how a path differs from the image */
#ifndef PODFLARE_GUEST_COMPARE_H
#define PODFLARE_GUEST_COMPARE_H

#include <stdint.h>

#include "guest-init/layers.h"

/* Return: AGENT_CHANGE_*, 0 when it is as in the image. A file that cannot be
 * read counts as changed. */
uint32_t compare_entry(const struct layer_dir *d, const char *name,
		       const struct layer_entry *e);

#endif
