/* SPDX-License-Identifier: MIT */
/*
 * machine/mux-wire.c - the multiplexer's bytes: frames and the search
 *
 * Both ends, one thread.  Distrusts the stream: its bytes may belong to an
 * earlier session, be cut anywhere, or come from a peer that lies.
 */
#include "machine/mux-wire.h"

#include <endian.h>
#include <sys/types.h>

/* The first byte occurs only there: a search never has to step back. */
static const uint8_t magic[2][MUX_MAGIC + 1] = {
	[MUX_HOST] = "\x9dpodflare-mux-h1",
	[MUX_GUEST] = "\x9dpodflare-mux-g1",
};

int mux_wire_put(struct buf *out, const uint8_t nonce[MUX_NONCE], uint8_t type,
		 uint32_t id, const void *data, size_t len)
{
	uint32_t le_len = htole32((uint32_t)len), le_id = htole32(id);
	uint8_t *p = buf_reserve(out, MUX_HEADER + len + MUX_TRAILER);

	if (!p)
		return -1;
	memcpy(p, &le_len, 4);
	p[4] = type;
	memset(p + 5, 0, 3);
	memcpy(p + 8, &le_id, 4);
	if (len)
		memcpy(p + MUX_HEADER, data, len);
	memcpy(p + MUX_HEADER + len, nonce, MUX_TRAILER);
	out->len += MUX_HEADER + len + MUX_TRAILER;
	return 0;
}

/* Zeros: the trailer of the frame they complete is wrong, and as a header they
 * have no valid type. */
int mux_wire_filler(struct buf *out)
{
	uint8_t *p = buf_reserve(out, MUX_FRAME_MAX);

	if (!p)
		return -1;
	memset(p, 0, MUX_FRAME_MAX);
	out->len += MUX_FRAME_MAX;
	return 0;
}

int mux_wire_hello(struct buf *out, enum mux_role from,
		   const uint8_t nonce[MUX_NONCE])
{
	if (buf_append(out, magic[from], MUX_MAGIC) < 0)
		return -1;
	return buf_append(out, nonce, MUX_NONCE);
}

static uint32_t le32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

ssize_t mux_wire_get(const uint8_t *data, size_t len,
		     const uint8_t nonce[MUX_NONCE], struct mux_frame *f)
{
	uint32_t payload;
	size_t size;

	if (len < MUX_HEADER)
		return 0;
	payload = le32_at(data);
	if (payload > MUX_DATA_MAX || data[4] < MUX_OPEN ||
	    data[4] > MUX_CLOSE || data[5] || data[6] || data[7])
		return -1;
	size = MUX_HEADER + payload + MUX_TRAILER;
	if (len < size)
		return 0;
	if (memcmp(data + MUX_HEADER + payload, nonce, MUX_TRAILER) != 0)
		return -1;
	f->type = data[4];
	f->id = le32_at(data + 8);
	f->len = payload;
	f->data = data + MUX_HEADER;
	return (ssize_t)size;
}

size_t mux_wire_search(struct mux *m, enum mux_role from, const uint8_t *data,
		       size_t len)
{
	const uint8_t *want = magic[from];
	size_t i = 0;

	while (i < len && m->found_len < MUX_MAGIC + MUX_NONCE) {
		uint8_t b = data[i];

		if (m->found_len == 0) {
			const uint8_t *at = memchr(data + i, want[0], len - i);

			if (!at)
				return len;
			i = (size_t)(at - data);
		} else if (m->found_len < MUX_MAGIC && b != want[m->found_len]) {
			m->found_len = 0;	/* look at this byte again */
			continue;
		}
		m->found[m->found_len++] = data[i++];
	}
	return i;
}
