/* SPDX-License-Identifier: MIT */
/*
 * runner/upload.c - frames of a client that sends files
 *
 * podflared, work threads.  Distrusts the client to go on.
 */
#include "runner/upload.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define SILENCE_MS 60000

int upload_frame(int fd, struct frame_reader *in, struct frame *f,
		 struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int rc;

	while ((rc = frame_next(in, f)) == 0) {
		rc = (int)TEMP_FAILURE_RETRY(poll(&p, 1, SILENCE_MS));
		if (rc == 0)
			return err_set(err, ERR_TIMEOUT,
				       "the client sent nothing for %d s",
				       SILENCE_MS / 1000);
		n = frame_fill(in, fd);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return err_sys(err, errno, "client");
		if (n == 0)
			return err_set(err, ERR_CANCELLED,
				       "the client went away");
	}
	return rc < 0 ? err_set(err, ERR_PROTOCOL, "malformed frame") : 0;
}
