/* SPDX-License-Identifier: MIT */
/* guest-init/file-data.h - a regular file's bytes and holes, to and from tar */
#ifndef PODFLARE_GUEST_FILE_DATA_H
#define PODFLARE_GUEST_FILE_DATA_H

#include "guest-init/tar.h"

/* The e->stored bytes that come next, to where they belong; long runs of zeros
 * become holes. @fd is empty. Return: 0, or -1 with @err. */
int file_data_write(int fd, struct stream_in *in, const struct tar_entry *e,
		    struct err *err);
/* Find @fd's holes: sets e->stored, and the extents if there are any. */
int file_data_map(int fd, struct tar_entry *e, struct err *err);
/* What file_data_map() found. A file that shrinks meanwhile is filled up with
 * zeros. @param shrank set then. Return: 0, or -1 with @err. */
int file_data_read(int fd, struct stream_out *out, const struct tar_entry *e,
		   bool *shrank, struct err *err);

#endif
