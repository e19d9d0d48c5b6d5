/* SPDX-License-Identifier: MIT */
/*
 * cli/outfd.c - our stdout or stderr, written without ever blocking
 *
 * Runs in the CLI.
 */
#include "cli/outfd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* See outfd.h. */
void outfd_open(struct outfd *o, int fd)
{
	char path[32];
	struct stat st;
	int again;

	*o = (struct outfd){ .fd = fd };
	o->pending.max = 4 * MIB;
	if (fstat(fd, &st) < 0) {
		o->closed = true;
		return;
	}
	o->socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (again < 0) {
		o->may_block = true;
		return;
	}
	o->fd = again;
	o->own = true;
}

/* See outfd.h. */
void outfd_close(struct outfd *o)
{
	if (o->own)
		close(o->fd);
	buf_free(&o->pending);
	o->own = false;
	o->fd = -1;
}

/* See outfd.h. */
int outfd_flush(struct outfd *o)
{
	size_t len = o->may_block ? MIN(o->pending.len, PIPE_BUF)
				  : o->pending.len;
	ssize_t n;

	if (o->closed) {
		buf_consume(&o->pending, o->pending.len);
		return 0;
	}
	if (!len)
		return 0;
	if (o->socket)
		n = send(o->fd, o->pending.data, len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(o->fd, o->pending.data, len);
	if (n >= 0) {
		buf_consume(&o->pending, (size_t)n);
		return 0;
	}
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	o->closed = true;
	buf_consume(&o->pending, o->pending.len);
	return -1;
}
