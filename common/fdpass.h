/* SPDX-License-Identifier: MIT */
/* common/fdpass.h - file descriptors and credentials over Unix sockets */
#ifndef PODFLARE_COMMON_FDPASS_H
#define PODFLARE_COMMON_FDPASS_H

#include <sys/types.h>

#include "common/err.h"

#define FDPASS_MAX 250	/* the kernel takes 253 */

/* One sendmsg(2), MSG_NOSIGNAL, @nfds descriptors attached to the first byte.
 * The fds stay the caller's. Return: bytes sent, -1 with errno. */
ssize_t fdpass_send(int sock, const void *data, size_t len, const int *fds,
		    size_t nfds);
/* One recvmsg(2) with MSG_CMSG_CLOEXEC. @nfds: in: room in @fds, out: how many
 * came; they are the caller's. A truncated message (data or fds) closes what
 * came and fails with EMSGSIZE. Descriptors of an empty message, which looks
 * like the stream's end, are closed. Return: as recvmsg(2). */
ssize_t fdpass_recv(int sock, void *data, size_t len, int *fds, size_t *nfds);
/* Return: 0 when the peer of this Unix socket runs as our own user (and, if
 * @pid is not NULL, its pid), -1 with @err otherwise. */
int fdpass_check_peer(int sock, pid_t *pid, struct err *err);

#endif
