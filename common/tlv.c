/* SPDX-License-Identifier: MIT */
/*
 * common/tlv.c - tagged values, the payload of agent requests and replies
 *
 * Any process.  Distrusts the payload it reads: every length is checked against
 * what is left of it.
 */
#include "common/tlv.h"

#include <errno.h>

#define TLV_HEADER 8

int tlv_put(struct buf *b, uint16_t tag, const void *data, size_t len)
{
	uint16_t head[2] = { tag, 0 };
	uint32_t len32 = (uint32_t)len;

	if (len > UINT32_MAX || !buf_reserve(b, TLV_HEADER + len)) {
		if (len > UINT32_MAX)
			errno = ENOBUFS;
		return -1;
	}
	buf_append(b, head, sizeof(head));
	buf_append(b, &len32, sizeof(len32));
	return buf_append(b, data, len);
}

int tlv_put_str(struct buf *b, uint16_t tag, const char *s)
{
	return tlv_put(b, tag, s, strlen(s));
}

int tlv_put_u32(struct buf *b, uint16_t tag, uint32_t v)
{
	return tlv_put(b, tag, &v, sizeof(v));
}

int tlv_put_u64(struct buf *b, uint16_t tag, uint64_t v)
{
	return tlv_put(b, tag, &v, sizeof(v));
}

int tlv_next(const void *payload, size_t len, size_t *pos, struct tlv *t)
{
	const uint8_t *p = payload;
	uint16_t zero;

	if (*pos == len)
		return 0;
	if (*pos > len || len - *pos < TLV_HEADER)
		return -1;
	memcpy(&t->tag, p + *pos, sizeof(t->tag));
	memcpy(&zero, p + *pos + 2, sizeof(zero));
	memcpy(&t->len, p + *pos + 4, sizeof(t->len));
	if (zero || t->len > len - *pos - TLV_HEADER)
		return -1;
	t->data = p + *pos + TLV_HEADER;
	*pos += TLV_HEADER + t->len;
	return 1;
}

uint32_t tlv_u32(const struct tlv *t)
{
	uint32_t v = 0;

	if (t->len == sizeof(v))
		memcpy(&v, t->data, sizeof(v));
	return v;
}

uint64_t tlv_u64(const struct tlv *t)
{
	uint64_t v = 0;

	if (t->len == sizeof(v))
		memcpy(&v, t->data, sizeof(v));
	return v;
}

int tlv_str(const struct tlv *t, char *out, size_t size)
{
	size_t n = MIN(t->len, size - 1);

	memcpy(out, t->data, n);
	out[n] = '\0';
	return n < t->len || strlen(out) != n ? -1 : 0;
}

char *tlv_strdup(const struct tlv *t)
{
	char *s;

	if (memchr(t->data, '\0', t->len))
		return NULL;
	s = malloc((size_t)t->len + 1);
	if (!s)
		return NULL;
	memcpy(s, t->data, t->len);
	s[t->len] = '\0';
	return s;
}
