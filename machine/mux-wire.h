/* SPDX-License-Identifier: MIT */
/* machine/mux-wire.h - the multiplexer's bytes: frames and the search */
#ifndef PODFLARE_MACHINE_MUX_WIRE_H
#define PODFLARE_MACHINE_MUX_WIRE_H

#include "machine/mux.h"

#define MUX_HEADER 12
#define MUX_TRAILER 8
#define MUX_FRAME_MAX (MUX_HEADER + MUX_DATA_MAX + MUX_TRAILER)
#define MUX_MAGIC 16
#define MUX_NONCE 16

enum mux_type {
	MUX_OPEN = 1,	/* the kind, text */
	MUX_DATA,
	MUX_GRANT,	/* le32 more bytes may be sent */
	MUX_EOF,	/* empty */
	MUX_CLOSE,	/* empty */
};

struct mux_frame {
	uint8_t type;
	uint32_t id;
	uint32_t len;
	const uint8_t *data;
};

/* Append a frame of the session that @nonce began. Return: as buf_append(). */
int mux_wire_put(struct buf *out, const uint8_t nonce[MUX_NONCE], uint8_t type,
		 uint32_t id, const void *data, size_t len);
/* Append filler that spoils any frame the peer may be in the middle of. */
int mux_wire_filler(struct buf *out);
/* Append the magic number that @from sends first, and the nonce. */
int mux_wire_hello(struct buf *out, enum mux_role from,
		   const uint8_t nonce[MUX_NONCE]);
/* Cut the frame at the front of (@data, @len). Return: its size with @f set,
 * 0 when more bytes are needed, -1 when it is not one of this session. */
ssize_t mux_wire_get(const uint8_t *data, size_t len,
		     const uint8_t nonce[MUX_NONCE], struct mux_frame *f);
/* Look for the hello of @from; keeps its place in m->found. Return: bytes
 * used; m->found_len is MUX_MAGIC + MUX_NONCE when it was found. */
size_t mux_wire_search(struct mux *m, enum mux_role from, const uint8_t *data,
		       size_t len);

#endif
