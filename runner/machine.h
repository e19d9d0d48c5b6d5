/* SPDX-License-Identifier: MIT */
/* runner/machine.h - which image, how large: what every machine is told */
#ifndef PODFLARE_RUNNER_MACHINE_H
#define PODFLARE_RUNNER_MACHINE_H

#include "runner/sandbox.h"

/* It is made now. */
void machine_stamp(struct sandbox *sb);
/* Set image, sizes and time of @sb by `image`, `cpus`, `memory`, `disk` of the
 * parameters, or their defaults. Return: 0, or -1 with @err. */
int machine_fill(struct sandbox *sb, const json_t *params, struct err *err);
/* Whether a machine could be begun at all. Return: 0, or -1 with @err. */
int machine_check_host(struct runner *r, struct err *err);

#endif
