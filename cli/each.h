/* SPDX-License-Identifier: MIT */
/* cli/each.h - one call for each of the sandboxes that were named */
#ifndef PODFLARE_CLI_EACH_H
#define PODFLARE_CLI_EACH_H

#include <jansson.h>

#include "cli/cmd.h"

/* Call @method with each operand as `sandbox`, and @more (NULL: nothing), one
 * after the other, and print the names, or the list that came. Return: 0, or -1
 * with @err: the first that failed; those before it were printed. */
int call_each(struct cmd_ctx *ctx, const char *method, json_t *more,
	      struct err *err);

#endif
