/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vsock-sock.c - a vsock connection's host side: socket and ring
 *
 * Runs in the VMM, on the thread of the loop. Distrusts the socket's other end
 * as to speed: it may never read, or never write; that holds up this connection
 * and no other.  Bytes only pass through here.
 *
 * Theory of operation: what the guest sends goes to the socket at once; what
 * the socket does not take waits in a ring of VSOCK_BUF bytes, which is also
 * the credit that the guest has, so there is always room.  fwd_cnt counts bytes
 * that have left the ring.  The other way nothing is buffered here: the bytes
 * stay in the socket until the guest has both a buffer and credit.
 */
#include "runner/vmm/vsock-sock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int vsock_sock_open(struct vsock_conn *c)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* Of the pair, the end that is given away blocks as any other does. */
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
		int rc = -errno;

		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	c->fds = (struct vsock_fds){
		.watch = { .fd = -1, .cb = vsock_conn_event },
		.sock = pair[0],
		.peer = pair[1],
	};
	return 0;
}

/* A Unix socket that is closed with bytes unread gives its peer an error where
 * an end of file is due. */
static void discard_input(int sock)
{
	uint8_t buf[16 * 1024];

	shutdown(sock, SHUT_RD);
	while (read(sock, buf, sizeof(buf)) > 0)
		continue;
}

void vsock_sock_close(struct vsock_conn *c)
{
	if (c->fds.sock >= 0)
		discard_input(c->fds.sock);
	vsock_sock_forget(c);
}

void vsock_sock_forget(struct vsock_conn *c)
{
	loop_del(c->table->loop, &c->fds.watch);
	if (c->fds.sock >= 0)
		close(c->fds.sock);
	if (c->fds.peer >= 0)
		close(c->fds.peer);
	c->fds.sock = -1;
	c->fds.peer = -1;
	c->fds.events = 0;
	c->ring_len = 0;
}

int vsock_sock_watch(struct vsock_conn *c, bool exact)
{
	struct loop *loop = c->table->loop;
	struct loop_watch *w = &c->fds.watch;
	uint32_t want = 0;

	if (c->fds.sock < 0 || c->hup ||
	    (c->state != VSOCK_OPEN && c->state != VSOCK_GONE)) {
		loop_del(loop, w);
		return 0;
	}
	if (c->ring_len > 0)
		want |= EPOLLOUT;
	if (c->state == VSOCK_OPEN && !c->readable && !c->eof &&
	    !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		want |= EPOLLIN;
	if (w->fd < 0) {
		/* Also for nothing: the end of the other side is told. */
		if (loop_add(loop, w, c->fds.sock, want) < 0)
			return -1;
	} else if (exact ? want != c->fds.events : want & ~c->fds.events) {
		if (loop_mod(loop, w, want) < 0)
			return -1;
	} else {
		return 0;
	}
	c->fds.events = want;
	return 0;
}

void vsock_sock_deaf(struct vsock_conn *c)
{
	c->fwd_cnt += c->ring_len;
	c->ring_len = 0;
	c->ring_pos = 0;
	if (!(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)) {
		c->host_shut |= VIRTIO_VSOCK_SHUTDOWN_RCV;
		c->pending |= VSOCK_P_SHUTDOWN;
	}
}

/* Return: bytes the socket took; none when it is full or closed. */
static size_t sock_write(struct vsock_conn *c, struct iovec *iov, size_t nr)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = nr };
	ssize_t n;

	n = TEMP_FAILURE_RETRY(sendmsg(c->fds.sock, &m, MSG_NOSIGNAL));
	if (n >= 0) {
		c->fwd_cnt += (uint32_t)n;
		return (size_t)n;
	}
	if (errno != EAGAIN)
		vsock_sock_deaf(c);
	return 0;
}

void vsock_sock_send(struct vsock_conn *c, struct virtq_span *data)
{
	uint32_t at, part, n;

	if (c->ring_len == 0 && data->len > 0 &&
	    !(c->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		virtq_skip(data, sock_write(c, data->iov, data->nr));
	n = (uint32_t)data->len;
	if (c->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		c->fwd_cnt += n;
		return;
	}
	BUG_ON(n > VSOCK_BUF - c->ring_len);
	at = (c->ring_pos + c->ring_len) % VSOCK_BUF;
	part = MIN(n, VSOCK_BUF - at);
	virtq_read(data, c->ring + at, part);
	virtq_read(data, c->ring, n - part);
	c->ring_len += n;
	c->ring_top = part < n ? VSOCK_BUF : MAX(c->ring_top, at + part);
}

void vsock_sock_drain(struct vsock_conn *c)
{
	while (c->ring_len > 0) {
		uint32_t part = MIN(c->ring_len, VSOCK_BUF - c->ring_pos);
		struct iovec iov[2] = {
			{ c->ring + c->ring_pos, part },
			{ c->ring, c->ring_len - part },
		};
		size_t n = sock_write(c, iov, 2);

		if (n == 0)
			return;	/* full; or deaf, and the ring is empty */
		c->ring_pos = (c->ring_pos + (uint32_t)n) % VSOCK_BUF;
		c->ring_len -= (uint32_t)n;
	}
	c->ring_pos = 0;
	if (c->fds.sock >= 0 && (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND))
		shutdown(c->fds.sock, SHUT_WR);
}

static uint32_t credit(const struct vsock_conn *c)
{
	uint32_t in_flight = c->tx_cnt - c->peer_fwd_cnt;

	return in_flight < c->peer_buf_alloc ? c->peer_buf_alloc - in_flight :
					       0;
}

bool vsock_sock_can_read(const struct vsock_conn *c)
{
	return c->state == VSOCK_OPEN && c->readable && !c->eof &&
	       !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) && credit(c) > 0;
}

uint32_t vsock_sock_read(struct vsock_conn *c, struct virtq_span *room)
{
	uint32_t max = MIN(credit(c), VSOCK_PACKET_MAX);
	ssize_t n;

	virtq_cut(room, max);
	n = TEMP_FAILURE_RETRY(readv(c->fds.sock, room->iov, (int)room->nr));
	if (n > 0) {
		/* Less than asked: empty, and epoll will tell of more. After
		 * the other end was closed nothing is told any more. */
		if ((uint64_t)n < room->len && !c->hup)
			c->readable = false;
		c->tx_cnt += (uint32_t)n;
		return (uint32_t)n;
	}
	if (n < 0 && errno == EAGAIN && !c->hup) {
		c->readable = false;
		return 0;
	}
	/* EOF; or the other end was closed with bytes of ours unread, which
	 * comes to the same. */
	c->eof = true;
	c->readable = false;
	c->host_shut |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	c->pending |= VSOCK_P_SHUTDOWN;
	return 0;
}
