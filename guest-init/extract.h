/* SPDX-License-Identifier: MIT */
/* guest-init/extract.h - a tar stream into a folder */
#ifndef PODFLARE_GUEST_EXTRACT_H
#define PODFLARE_GUEST_EXTRACT_H

#include "guest-init/stream.h"

/*
 * Extract the whole archive. Owners, modes and times are the archive's; as
 * another user than root, everything is that user's own.
 * @param root the folder, open; @param made whether it was made for this, and
 * takes its own attributes from the archive
 * Return: 0, or -1 with @err naming the member. What was extracted stays.
 */
int extract_all(int root, bool made, struct stream_in *in, struct err *err);

#endif
