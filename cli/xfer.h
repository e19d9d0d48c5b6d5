/* SPDX-License-Identifier: MIT */
/*
 * cli/xfer.h - a tar stream to or from a sandbox
 *
 * Frames DATA* END, with progress; signals and the agent's errors are noticed
 * at any point.
 */
#ifndef PODFLARE_CLI_XFER_H
#define PODFLARE_CLI_XFER_H

#include "cli/client.h"
#include "cli/sigs.h"

struct xfer {
	struct stream *s;
	struct sigs *sigs;	/* open */
	struct progress progress;
	const char *what;	/* text of the progress line */
	uint64_t done;		/* payload bytes so far */
	uint64_t total;		/* 0: not known */
	int signal;		/* that cancelled it */
};

void xfer_init(struct xfer *x, struct stream *s, struct sigs *sigs,
	       const struct globals *g, const char *what);
/* Wait until @fd can be read, with an eye on the stream and the signals.
 * Return: 0, or -1 with @err. */
int xfer_wait_input(struct xfer *x, int fd, struct err *err);
/* Send bytes of the tar stream, in frames. Return: 0, or -1 with @err: the
 * agent's own error if it sent one, ERR_CANCELLED on a signal. */
int xfer_send(struct xfer *x, const void *data, size_t len, struct err *err);
/* Send END: it is all. Return: 0, or -1 with @err. */
int xfer_send_end(struct xfer *x, struct err *err);
/* Send END, and wait for the OK. Return: 0, or -1 with @err. */
int xfer_finish(struct xfer *x, struct err *err);
/* Wait for an OK. Return: 0, or -1 with @err. */
int xfer_expect_ok(struct xfer *x, struct err *err);
/* The next bytes of the tar stream, valid until the next call.
 * Return: 1, 0 at END, -1 with @err. */
int xfer_receive(struct xfer *x, const void **data, size_t *len,
		 struct err *err);

#endif
