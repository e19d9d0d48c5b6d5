/* SPDX-License-Identifier: MIT */
/*
 * common/fdpass.c - file descriptors and credentials over Unix sockets
 *
 * Any process.  Distrusts the peer: descriptors that were not asked for are
 * closed, a truncated message is an error.
 */
#include "common/fdpass.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t fdpass_send(int sock, const void *data, size_t len, const int *fds,
		    size_t nfds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (nfds > FDPASS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (nfds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	return TEMP_FAILURE_RETRY(sendmsg(sock, &msg, MSG_NOSIGNAL));
}

ssize_t fdpass_recv(int sock, void *data, size_t len, int *fds, size_t *nfds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control),
	};
	size_t room = *nfds, got = 0;
	int flags;
	ssize_t n;

	*nfds = 0;
	n = TEMP_FAILURE_RETRY(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC));
	if (n < 0)
		return n;
	flags = msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (got < room && !flags) {
				fds[got++] = fd;
				continue;
			}
			close(fd);
			flags |= MSG_CTRUNC;
		}
	}
	if (flags || n == 0) {
		for (size_t i = 0; i < got; i++)
			close(fds[i]);
		errno = EMSGSIZE;
		return flags ? -1 : 0;
	}
	*nfds = got;
	return n;
}

int fdpass_check_peer(int sock, pid_t *pid, struct err *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_sys(err, errno, "SO_PEERCRED");
	if (cred.uid != geteuid())
		return err_set(err, ERR_PERMISSION,
			       "peer runs as user %u, not as %u",
			       (unsigned int)cred.uid, (unsigned int)geteuid());
	if (pid)
		*pid = cred.pid;
	return 0;
}
