/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/ctlsock.c - the control socket: messages in and out (control.h)
 *
 * Owns the connection.  Runs in podflare-vmm on the main thread.  Distrusts the
 * client for form: only our own user is served, a message of another magic or
 * with more descriptors than any message has ends the connection.
 */
#include "runner/vmm/ctlsock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/log.h"

_Static_assert(CTL_MAX_FDS <= FDPASS_MAX, "descriptors of a message");
_Static_assert(4 + CTL_MAX_INITRDS + CTL_MAX_DISKS * CTL_MAX_LAYERS <=
	       CTL_MAX_FDS, "descriptors of a CTL_CONFIG");

#define LAST_MESSAGES 16	/* of a client that is replaced */

union message {
	struct ctl_header header;
	struct ctl_config config;
	struct ctl_connect connect;
	struct ctl_fork fork;
	struct ctl_save save;
	struct ctl_restore restore;
	struct ctl_layers layers;
	uint8_t too_long[sizeof(struct ctl_config) + 1];
};

static void drop(struct ctlsock *s)
{
	int fd = s->conn.fd;

	if (fd < 0)
		return;
	loop_del(s->loop, &s->conn);
	close(fd);
	s->ops->gone(s);
}

/* Return: 1 when a message was dealt with, 0 when none is there, -1 when the
 * connection has to go. */
static int receive(struct ctlsock *s)
{
	union message m;
	int fds[CTL_MAX_FDS];
	size_t nfds = CTL_MAX_FDS;
	ssize_t n = fdpass_recv(s->conn.fd, &m, sizeof(m), fds, &nfds);

	if (n < 0) {
		if (errno == EAGAIN)
			return 0;
		log_warn_limited(&s->limit, "control: %s", strerror(errno));
		return -1;
	}
	if (n == 0)
		return -1;	/* end of stream */
	if ((size_t)n < sizeof(m.header) || m.header.magic != CTL_MAGIC) {
		log_warn_limited(&s->limit, "control: a message of another "
				 "version, or none");
		for (size_t i = 0; i < nfds; i++)
			close(fds[i]);
		return -1;
	}
	return s->ops->message(s, &m, (size_t)n, fds, nfds) ? 1 : -1;
}

static void on_conn(struct loop_watch *w, uint32_t events)
{
	struct ctlsock *s = container_of(w, struct ctlsock, conn);

	if (!(events & EPOLLIN) || receive(s) < 0)
		drop(s);
}

static void on_listen(struct loop_watch *w, uint32_t events)
{
	struct ctlsock *s = container_of(w, struct ctlsock, listen);
	unsigned int generation = s->generation;
	struct err err = ERR_INIT;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;		/* it went away again, or no fds are left */
	if (fdpass_check_peer(fd, NULL, &err) < 0) {
		log_warn_limited(&s->limit, "control: %s", err.msg);
		close(fd);
		return;
	}
	/* what the old client had sent is done as if it still were there */
	for (int i = 0; i < LAST_MESSAGES && s->conn.fd >= 0; i++)
		if (receive(s) <= 0)
			break;
	if (s->generation != generation)
		return;		/* it was a fork, and this is the child */
	drop(s);
	if (loop_add(s->loop, &s->conn, fd, EPOLLIN) < 0) {
		log_warn("control: %s", strerror(errno));
		close(fd);
	}
}

int ctlsock_init(struct ctlsock *s, struct loop *loop, int fd,
		 const struct ctlsock_ops *ops, struct err *err)
{
	*s = (struct ctlsock){
		.ops = ops,
		.loop = loop,
		.listen = { .fd = -1, .cb = on_listen },
		.conn = { .fd = -1, .cb = on_conn },
	};
	if (listen(fd, 8) < 0 || loop_add(loop, &s->listen, fd, EPOLLIN) < 0)
		return err_sys(err, errno, "control socket");
	return 0;
}

int ctlsock_reopen(struct ctlsock *s, int fd, struct err *err)
{
	s->generation++;
	/* closed with all that is not the child's */
	s->conn.fd = s->listen.fd = -1;
	s->limit = (struct ratelimit){ 0 };
	/* listen(2) also says whose socket it is: SO_PEERCRED of a client */
	if (listen(fd, 8) < 0 || loop_add(s->loop, &s->listen, fd, EPOLLIN) < 0)
		return err_sys(err, errno, "control socket");
	return 0;
}

void ctlsock_free(struct ctlsock *s)
{
	loop_del(s->loop, &s->listen);
	drop(s);
}

void ctlsock_send(struct ctlsock *s, const void *msg, size_t len,
		  const int *fds, size_t nfds)
{
	if (s->conn.fd < 0)
		return;
	if (fdpass_send(s->conn.fd, msg, len, fds, nfds) < 0) {
		/* EPIPE: it is gone, which is its right */
		if (errno != EPIPE)
			log_warn_limited(&s->limit, "control: cannot answer: "
					 "%s", strerror(errno));
		/* the loop sees the end of the stream and drops it */
		shutdown(s->conn.fd, SHUT_RDWR);
	}
}
