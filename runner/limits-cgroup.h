/* SPDX-License-Identifier: MIT */
/* runner/limits-cgroup.h - how much memory our control group leaves */
#ifndef PODFLARE_RUNNER_LIMITS_CGROUP_H
#define PODFLARE_RUNNER_LIMITS_CGROUP_H

#include <stdint.h>

#include "common/buf.h"

/* Read a small file of the host's. PODFLARE_TEST_HOST names a folder that takes
 * the place of / where it has the file. Return: 0, or -1. */
int limits_read(const char *path, struct buf *out);
/* Bytes that are free or can be freed. UINT64_MAX: there is no limit. */
uint64_t limits_cgroup_free(void);

#endif
