/* SPDX-License-Identifier: MIT */
/* guest-init/changes.h - what differs from the image: CHANGES */
#ifndef PODFLARE_GUEST_CHANGES_H
#define PODFLARE_GUEST_CHANGES_H

#include "guest-init/layers.h"
#include "guest-init/stream.h"

/*
 * Answer a CHANGES request, but for its END.
 * @param mountinfo where the kernel lists what is mounted
 * Return: 0, or -1 with @err.
 */
int changes_send(const struct frame *request, const struct layers *layers,
		 const char *mountinfo, struct stream_out *out,
		 struct err *err);

#endif
