/* SPDX-License-Identifier: MIT */
/*
 * cli/outfd.h - our stdout or stderr, written without ever blocking
 *
 * O_NONBLOCK on a descriptor that others share (a terminal, a pipe to a
 * program that also holds it) would change it for them too.  So a pipe or
 * terminal is opened anew through /proc/self/fd, a socket is sent to with
 * MSG_DONTWAIT, a file is simply written to.
 */
#ifndef PODFLARE_CLI_OUTFD_H
#define PODFLARE_CLI_OUTFD_H

#include <stdbool.h>

#include "common/buf.h"

struct outfd {
	int fd;
	bool own;	/* opened anew */
	bool socket;
	bool may_block;	/* only PIPE_BUF bytes at a time are safe */
	bool closed;	/* its reader is gone: what comes is dropped */
	struct buf pending;
};

void outfd_open(struct outfd *o, int fd);
void outfd_close(struct outfd *o);
/* Write what it takes of the pending bytes. Return: 0, or -1 with errno
 * (EPIPE: closed is set and nothing is pending any more). */
int outfd_flush(struct outfd *o);

#endif
