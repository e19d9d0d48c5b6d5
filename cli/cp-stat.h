/* SPDX-License-Identifier: MIT */
/* cli/cp-stat.h - what stands at either side of a copy */
#ifndef PODFLARE_CLI_CP_STAT_H
#define PODFLARE_CLI_CP_STAT_H

#include "cli/client.h"
#include "cli/cp-path.h"

/* The type of what @e names; a link that is to be followed (@follow, or the
 * path ended in a slash) counts as what it points to, else as a file.
 * @param c for a sandbox's side. @param size bytes of a file, may be NULL.
 * Return: 0, or -1 with @err; what is missing is CP_MISSING. */
int cp_stat(struct client *c, const struct cp_end *e, bool follow,
	    enum cp_type *type, uint64_t *size, struct err *err);
/* As a destination: a symbolic link is replaced in @e by what it points to, and
 * *@folder_exists tells of the folder that holds it. */
int cp_stat_destination(struct client *c, struct cp_end *e, enum cp_type *type,
			bool *folder_exists, struct err *err);

#endif
