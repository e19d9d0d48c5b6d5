/* SPDX-License-Identifier: MIT */
/*
 * runner/idle.h - sandboxes that nobody uses are frozen, or removed
 *
 * In use: while a stream into the guest is open, and whenever the runner is
 * asked for something that needs the guest; sandbox.touch counts as use.
 */
#ifndef PODFLARE_RUNNER_IDLE_H
#define PODFLARE_RUNNER_IDLE_H

#include "runner/runner.h"

#define IDLE_MIN_MS 1000
#define IDLE_MAX_MS (365ULL * 24 * 3600 * 1000)

/* Look at all sandboxes when the next one may be idle. To be called when there
 * is one more. */
void idle_watch(struct runner *r);

#endif
