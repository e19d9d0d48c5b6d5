/* SPDX-License-Identifier: MIT */
/* cli/config-check.h - tell the user of a config.yaml that does not count */
#ifndef PODFLARE_CLI_CONFIG_CHECK_H
#define PODFLARE_CLI_CONFIG_CHECK_H

#include "cli/cmd.h"

/* A warning on stderr when it is broken. It is the runner that follows it, and
 * goes on with what it knew before. */
void config_check(const struct globals *g);
/* Return: 0 with *@path (the caller's), -1 with @err. */
int config_look(char **path, struct err *err);

#endif
