/* SPDX-License-Identifier: MIT */
/* cli/ended.h - why a sandbox is not there any more, for a broken stream */
#ifndef PODFLARE_CLI_ENDED_H
#define PODFLARE_CLI_ENDED_H

#include "cli/cmd.h"

/* A stream into @sandbox broke, @err says (ERR_GUEST): ask the runner what became
 * of the sandbox, and say that instead where it explains it. Return: -1. */
int ended_explain(struct globals *g, const char *sandbox, struct err *err);

#endif
