/* SPDX-License-Identifier: MIT */
/*
 * common/tlv.h - tagged values, the payload of agent requests and replies
 *
 * A value is le16 tag, le16 zero, le32 length, bytes; the next follows at
 * once, unpadded.  Unknown tags are skipped by the reader.
 */
#ifndef PODFLARE_COMMON_TLV_H
#define PODFLARE_COMMON_TLV_H

#include "common/buf.h"

struct tlv {
	uint16_t tag;
	uint32_t len;
	const uint8_t *data;	/* in the payload, not NUL-terminated */
};

/* Return: 0, or -1 with errno as buf_reserve(). */
int tlv_put(struct buf *b, uint16_t tag, const void *data, size_t len);
int tlv_put_str(struct buf *b, uint16_t tag, const char *s);
int tlv_put_u32(struct buf *b, uint16_t tag, uint32_t v);
int tlv_put_u64(struct buf *b, uint16_t tag, uint64_t v);

/*
 * The value at *pos. @pos starts at 0 and is advanced.
 * Return: 1 with @t set, 0 at the end, -1 when the payload is malformed.
 */
int tlv_next(const void *payload, size_t len, size_t *pos, struct tlv *t);
/* Return: the integer, 0 when the value has another size. */
uint32_t tlv_u32(const struct tlv *t);
uint64_t tlv_u64(const struct tlv *t);
/* Copy as a C string, cut to @size. Return: -1 if it holds a NUL or was cut. */
int tlv_str(const struct tlv *t, char *out, size_t size);
/* Return: a malloc'ed C string, NULL if it holds a NUL or memory is out. */
char *tlv_strdup(const struct tlv *t);

#endif
