/* SPDX-License-Identifier: MIT */
/* guest-init/stream.h - the bytes of DATA frames, blocking, in a transfer */
#ifndef PODFLARE_GUEST_STREAM_H
#define PODFLARE_GUEST_STREAM_H

#include <stdbool.h>

#include "common/err.h"
#include "common/frame.h"

struct stream_in {
	int fd;
	struct frame_reader *frames;
	struct frame data;	/* the rest of the current frame */
	bool ended;		/* END was read */
};

/* All @len bytes. Return: 1, 0 when the stream ended before the first of them,
 * -1 with @err. */
int stream_read(struct stream_in *in, void *data, size_t len, struct err *err);
/* At most @len bytes, those that are there. Return: how many, 0 at the end, -1. */
ssize_t stream_some(struct stream_in *in, const void **data, size_t len,
		    struct err *err);
int stream_skip(struct stream_in *in, uint64_t len, struct err *err);

struct stream_out {
	int fd;
	size_t len;
	uint8_t bytes[FRAME_DATA_MAX];
};

/* Return: 0, or -1 with @err when the host has gone. */
int stream_write(struct stream_out *out, const void *data, size_t len,
		 struct err *err);
int stream_zeros(struct stream_out *out, uint64_t len, struct err *err);
int stream_flush(struct stream_out *out, struct err *err);

#endif
