/* SPDX-License-Identifier: MIT */
/* runner/upload.h - frames of a client that sends files */
#ifndef PODFLARE_RUNNER_UPLOAD_H
#define PODFLARE_RUNNER_UPLOAD_H

#include "common/err.h"
#include "common/frame.h"

/* Wait for the next one: for work threads. A client that says nothing for a
 * minute has lost its turn.
 * @param fd non-blocking @param in what was read of it already
 * Return: 0 with @f, or -1 with @err (ERR_TIMEOUT, ERR_CANCELLED at the stream's
 * end, ERR_PROTOCOL). */
int upload_frame(int fd, struct frame_reader *in, struct frame *f,
		 struct err *err);

#endif
