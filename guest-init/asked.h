/* SPDX-License-Identifier: MIT */
/* guest-init/asked.h - the files that HASH or FETCH is about */
#ifndef PODFLARE_GUEST_ASKED_H
#define PODFLARE_GUEST_ASKED_H

#include "guest-init/stream.h"

#define ASKED_MAX (64 * MIB)	/* bytes of paths in one request */

struct asked {
	char *path;
	bool image;
};

struct asked_list {
	struct asked *items;
	size_t n, room;
	size_t bytes;
};

/* All up to END: the host need not read before it has sent everything.
 * Return: 0, or -1 with @err. */
int asked_read(struct asked_list *l, struct stream_in *in, struct err *err);
void asked_free(struct asked_list *l);
/*
 * The next record of such a stream.
 * @param b gets its values @param max bytes it may have
 * Return: 1, 0 at the end, -1 with @err.
 */
int asked_record(struct buf *b, size_t max, struct stream_in *in,
		 struct err *err);

#endif
