/* SPDX-License-Identifier: MIT */
/*
 * guest-init/stream.c - the bytes of DATA frames, blocking, in a transfer
 *
 * A forked child of pid 1.  The host's frames are checked in form.
 */
#include "guest-init/stream.h"

#include <errno.h>

#include "common/agent.h"

/* Have at least one byte in in->data. Return: 1, 0 at the end, -1 with @err. */
static int refill(struct stream_in *in, struct err *err)
{
	int rc;

	while (!in->ended && in->data.len == 0) {
		rc = frame_read(in->frames, in->fd, &in->data);
		if (rc < 0)
			return err_sys(err, errno, "stream");
		if (rc == 0)
			return err_set(err, ERR_CANCELLED,
				       "the stream ended before its end");
		if (in->data.type == AGENT_END)
			in->ended = true;
		else if (in->data.type != AGENT_DATA)
			return err_set(err, ERR_PROTOCOL, "unexpected frame %u",
				       in->data.type);
	}
	return in->data.len && !in->ended;
}

ssize_t stream_some(struct stream_in *in, const void **data, size_t len,
		    struct err *err)
{
	int rc = refill(in, err);
	size_t n;

	if (rc <= 0)
		return rc;
	n = MIN(len, in->data.len);
	*data = in->data.data;
	in->data.data += n;
	in->data.len -= (uint32_t)n;
	return (ssize_t)n;
}

int stream_read(struct stream_in *in, void *data, size_t len, struct err *err)
{
	uint8_t *to = data;
	size_t done = 0;

	while (done < len) {
		const void *from;
		ssize_t n = stream_some(in, &from, len - done, err);

		if (n < 0)
			return -1;
		if (n == 0 && done == 0)
			return 0;
		if (n == 0)
			return err_set(err, ERR_FAILED,
				       "the archive is cut short");
		memcpy(to + done, from, (size_t)n);
		done += (size_t)n;
	}
	return 1;
}

int stream_skip(struct stream_in *in, uint64_t len, struct err *err)
{
	while (len) {
		const void *from;
		ssize_t n = stream_some(in, &from, (size_t)MIN(len, 1 * MIB), err);

		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(err, ERR_FAILED,
				       "the archive is cut short");
		len -= (uint64_t)n;
	}
	return 0;
}

int stream_flush(struct stream_out *out, struct err *err)
{
	size_t len = out->len;

	out->len = 0;
	if (len && frame_write(out->fd, AGENT_DATA, out->bytes, len) < 0)
		return err_sys(err, errno, "stream");
	return 0;
}

int stream_write(struct stream_out *out, const void *data, size_t len,
		 struct err *err)
{
	const uint8_t *from = data;

	while (len) {
		size_t n = MIN(len, sizeof(out->bytes) - out->len);

		if (from) {
			memcpy(out->bytes + out->len, from, n);
			from += n;
		} else {
			memset(out->bytes + out->len, 0, n);
		}
		out->len += n;
		len -= n;
		if (out->len == sizeof(out->bytes) && stream_flush(out, err) < 0)
			return -1;
	}
	return 0;
}

int stream_zeros(struct stream_out *out, uint64_t len, struct err *err)
{
	while (len) {
		size_t n = (size_t)MIN(len, 1 * GIB);

		if (stream_write(out, NULL, n, err) < 0)
			return -1;
		len -= n;
	}
	return 0;
}
