/* SPDX-License-Identifier: MIT */
/* cli/machine-spawn.h - start the emulated machine's supervisor */
#ifndef PODFLARE_CLI_MACHINE_SPAWN_H
#define PODFLARE_CLI_MACHINE_SPAWN_H

#include "cli/machine-client.h"

/* Start one and wait until the machine answers, with progress on stderr.
 * Without how->start it only takes over a machine that runs already.
 * Return: 0, or -1 with @err. */
int machine_spawn(const struct machine_start *how, struct err *err);
/* "ok", "ready", or "error CODE MESSAGE\x1fHINT". The line is taken apart.
 * Return: 0, or -1 with @err. */
int machine_parse_answer(char *line, struct err *err);

#endif
