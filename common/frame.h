/* SPDX-License-Identifier: MIT */
/*
 * common/frame.h - framed byte streams
 *
 * A frame is le32 payload length, u8 type, u8 zero, le16 zero, payload.
 * Payloads have at most FRAME_MAX bytes; data frames carry at most
 * FRAME_DATA_MAX, so that one stream's signals never wait for long.
 */
#ifndef PODFLARE_COMMON_FRAME_H
#define PODFLARE_COMMON_FRAME_H

#include "common/buf.h"

#define FRAME_HEADER 8
#define FRAME_MAX (1024 * 1024)
#define FRAME_DATA_MAX (64 * 1024)

struct frame {
	uint8_t type;
	uint32_t len;
	const uint8_t *data;	/* valid until the reader is touched again */
};

/* Collects bytes and cuts frames out of them; zero-initialised. */
struct frame_reader {
	struct buf buf;
	size_t consumed;	/* bytes of the last frame, dropped at the next */
};

void frame_reader_free(struct frame_reader *r);
/* One read(2). Return: bytes read, 0 at end of stream, -1 with errno. */
ssize_t frame_fill(struct frame_reader *r, int fd);
/* Return: 1 with @f set, 0 when more bytes are needed, -1 when the stream is
 * not ours (length over FRAME_MAX, reserved bytes set). */
int frame_next(struct frame_reader *r, struct frame *f);
/* Block until one frame is there. Return: 1, 0 at a clean end of stream, -1
 * with errno (EPROTO: cut short or malformed). */
int frame_read(struct frame_reader *r, int fd, struct frame *f);

/* Append one frame to @b (for non-blocking writers). Return: as buf_append. */
int frame_put(struct buf *b, uint8_t type, const void *data, size_t len);
/* Write one frame, blocking, whole. Return: 0, or -1 with errno. SIGPIPE is
 * not raised on sockets. */
int frame_write(int fd, uint8_t type, const void *data, size_t len);

#endif
