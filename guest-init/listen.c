/* SPDX-License-Identifier: MIT */
/*
 * guest-init/listen.c - the vsock port that the agent is reached at
 *
 * Pid 1.  Only the host may have what the agent gives, which is root: vsock
 * also has a loopback, and a guest of this guest could reach us too.  So the
 * peer's address decides, which the kernel vouches for.
 */
#include "guest-init/listen.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "guest-init/kmsg.h"

#define BACKLOG 128

static void on_connection(struct loop_watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);
	struct sockaddr_vm peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd;

	fd = accept4(w->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (peer.svm_family != AF_VSOCK || peer.svm_cid != VMADDR_CID_HOST) {
		close(fd);
		return;
	}
	agent_accept(l->agent, fd);
}

/* The host resets this connection: that it was tried says all. */
static void tell_host(void)
{
	const struct sockaddr_vm host = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = AGENT_READY_PORT,
	};
	CLEANUP_FD int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || (connect(fd, (const struct sockaddr *)&host,
			       sizeof(host)) < 0 && errno != ECONNRESET))
		kmsg_line(KMSG_WARN, "no answer from the host: %s",
			  strerror(errno));
}

int listen_start(struct listener *l, struct agent *a, struct err *err)
{
	const struct sockaddr_vm any = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = AGENT_VSOCK_PORT,
	};
	CLEANUP_FD int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC |
				   SOCK_NONBLOCK, 0);

	l->agent = a;
	l->watch = (struct loop_watch){ .fd = -1, .cb = on_connection };
	if (fd < 0)
		return err_sys(err, errno, "no vsock in this kernel");
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    listen(fd, BACKLOG) < 0 ||
	    loop_add(&a->loop, &l->watch, fd, EPOLLIN) < 0)
		return err_sys(err, errno, "cannot listen on vsock port %d",
			       AGENT_VSOCK_PORT);
	fd = -1;	/* the loop's for good */
	tell_host();
	return 0;
}
