/* SPDX-License-Identifier: MIT */
/* cli/image-deb.h - the kernel and its modules out of a Debian package */
#ifndef PODFLARE_CLI_IMAGE_DEB_H
#define PODFLARE_CLI_IMAGE_DEB_H

#include "cli/image-job.h"

/*
 * Write the package's boot/vmlinuz-* to DIR/vmlinuz, its modules to
 * DIR/modules/ (flat), and its modules.builtin there too.
 * @param dirfd an empty folder
 * Return: 0, or -1 with @err (ERR_USAGE: no kernel in it, corrupt).
 */
int deb_unpack_kernel(const char *deb, int dirfd, struct job *j,
		      struct err *err);

#endif
