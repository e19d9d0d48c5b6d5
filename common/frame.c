/* SPDX-License-Identifier: MIT */
/*
 * common/frame.c - framed byte streams
 *
 * Any process.  Distrusts the peer: a length over FRAME_MAX or a reserved byte
 * that is set ends the stream; no more than one frame is ever buffered beyond
 * the one that is being looked at.
 */
#include "common/frame.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* read(2) at a time; a data frame and its header fit */
#define FILL (FRAME_DATA_MAX + FRAME_HEADER)

static void header_make(uint8_t head[FRAME_HEADER], uint8_t type, size_t len)
{
	uint32_t len32 = (uint32_t)len;

	memset(head, 0, FRAME_HEADER);
	memcpy(head, &len32, sizeof(len32));
	head[4] = type;
}

void frame_reader_free(struct frame_reader *r)
{
	buf_free(&r->buf);
	r->consumed = 0;
}

static void drop_consumed(struct frame_reader *r)
{
	buf_consume(&r->buf, r->consumed);
	r->consumed = 0;
}

ssize_t frame_fill(struct frame_reader *r, int fd)
{
	/* frames handed out earlier die here */
	drop_consumed(r);
	if (!r->buf.max)
		r->buf.max = FRAME_MAX + FRAME_HEADER + FILL;
	return buf_read(&r->buf, fd, FILL);
}

int frame_next(struct frame_reader *r, struct frame *f)
{
	const uint8_t *p;
	size_t left = r->buf.len - r->consumed;
	uint32_t len;

	if (left < FRAME_HEADER)
		return 0;
	p = r->buf.data + r->consumed;
	memcpy(&len, p, sizeof(len));
	if (len > FRAME_MAX || p[5] || p[6] || p[7])
		return -1;
	if (left - FRAME_HEADER < len)
		return 0;
	f->type = p[4];
	f->len = len;
	f->data = p + FRAME_HEADER;
	r->consumed += FRAME_HEADER + len;
	return 1;
}

int frame_read(struct frame_reader *r, int fd, struct frame *f)
{
	ssize_t n;
	int rc;

	for (;;) {
		rc = frame_next(r, f);
		if (rc > 0)
			return 1;
		if (rc < 0) {
			errno = EPROTO;
			return -1;
		}
		n = frame_fill(r, fd);
		if (n == 0 && r->buf.len == 0)
			return 0;
		if (n == 0)
			errno = EPROTO;
		if (n <= 0)
			return -1;
	}
}

int frame_put(struct buf *b, uint8_t type, const void *data, size_t len)
{
	uint8_t head[FRAME_HEADER];

	BUG_ON(len > FRAME_MAX);
	if (!buf_reserve(b, FRAME_HEADER + len))
		return -1;
	header_make(head, type, len);
	buf_append(b, head, sizeof(head));
	return buf_append(b, data, len);
}

/* sendmsg() keeps SIGPIPE away on sockets; pipes need writev(). */
static ssize_t write_some(int fd, struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	ssize_t rc = sendmsg(fd, &msg, MSG_NOSIGNAL);

	if (rc < 0 && errno == ENOTSOCK)
		return writev(fd, iov, n);
	return rc;
}

int frame_write(int fd, uint8_t type, const void *data, size_t len)
{
	uint8_t head[FRAME_HEADER];
	size_t done = 0;
	ssize_t n;

	BUG_ON(len > FRAME_MAX);
	header_make(head, type, len);
	while (done < sizeof(head) + len) {
		size_t skip = done < sizeof(head) ? 0 : done - sizeof(head);
		struct iovec iov[2] = {
			{ head + done, sizeof(head) - done },
			{ (uint8_t *)data + skip, len - skip },
		};
		int first = done < sizeof(head) ? 0 : 1;

		n = write_some(fd, iov + first, 2 - first);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			poll(&p, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}
