/* SPDX-License-Identifier: MIT */
/* cli/origin-show.h - how a sandbox came to be, in words */
#ifndef PODFLARE_CLI_ORIGIN_SHOW_H
#define PODFLARE_CLI_ORIGIN_SHOW_H

#include <jansson.h>

/* Print it of @sb, a sandbox of the API: a line, and one for each step. */
void origin_show(const json_t *sb);

#endif
