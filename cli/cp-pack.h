/* SPDX-License-Identifier: MIT */
/* cli/cp-pack.h - files of this host as a tar stream */
#ifndef PODFLARE_CLI_CP_PACK_H
#define PODFLARE_CLI_CP_PACK_H

#include "cli/xfer.h"

/*
 * Send @path, all below it included, as a tar stream.
 * @param name what the first entry is called, NULL: the contents of a folder
 * @param follow if @path is a symbolic link: what it points to
 * Return: 0, or -1 with @err.
 */
int pack_tree(struct xfer *x, const struct globals *g, const char *path,
	      const char *name, bool follow, struct err *err);

#endif
