/* SPDX-License-Identifier: MIT */
/* guest-init/fetch.h - files by their paths: HASH and FETCH */
#ifndef PODFLARE_GUEST_FETCH_H
#define PODFLARE_GUEST_FETCH_H

#include "guest-init/layers.h"
#include "guest-init/stream.h"

/*
 * Read which files it is about, and send a record for each, but for END.
 * @param content true: with their contents (FETCH); false: their digests
 * Return: 0, or -1 with @err.
 */
int fetch_send(struct stream_in *in, bool content, const struct layers *layers,
	       struct stream_out *out, struct err *err);

#endif
