/* SPDX-License-Identifier: MIT */
/* guest-init/archive.h - a file or a folder as a tar stream */
#ifndef PODFLARE_GUEST_ARCHIVE_H
#define PODFLARE_GUEST_ARCHIVE_H

#include "guest-init/stream.h"

/*
 * Write @path and all below it, as seen from the folder @dir. Links below it stay links; other files that
 * have vanished meanwhile, sockets and the kernel's own file systems (proc,
 * sysfs, ...) are left out.
 * @param name the first entry's, NULL: the last part of @path
 * @param follow whether a symbolic link at the end of @path is followed
 * Return: 0, or -1 with @err; the stream is complete but for END when only a
 * file had shrunk while it was read.
 */
int archive_all(int dir, const char *path, const char *name, bool follow,
		struct stream_out *out, struct err *err);

#endif
