/* SPDX-License-Identifier: MIT */
/* cli/machine-shell.h - podflare machine shell */
#ifndef PODFLARE_CLI_MACHINE_SHELL_H
#define PODFLARE_CLI_MACHINE_SHELL_H

#include "cli/cmd.h"

extern const struct cmd machine_shell;

#endif
