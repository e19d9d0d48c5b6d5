/* SPDX-License-Identifier: MIT */
/*
 * common/crc32.c - CRC-32 as in Ethernet and zlib
 *
 * For headers and a machine's state, some 100 KiB at most, bit by bit will do.
 * For files: eight bytes at a time, each looked up in a table that says what it
 * has become once the bytes behind it have passed.
 */
#include "common/crc32.h"

#include <endian.h>
#include <string.h>

static uint32_t shift(uint32_t crc)
{
	for (int bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	return crc;
}

uint32_t crc32_of(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = 0xffffffffu;

	while (len-- > 0)
		crc = shift(crc ^ *p++);
	return ~crc;
}

void crc32_begin(struct crc32 *c)
{
	c->state = 0xffffffffu;
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = shift(i);

		c->table[0][i] = crc;
		for (int behind = 1; behind < 8; behind++) {
			crc = shift(crc);
			c->table[behind][i] = crc;
		}
	}
}

void crc32_add(struct crc32 *c, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = c->state;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word, next = 0;

		memcpy(&word, p, sizeof(word));
		word = le64toh(word) ^ crc;
		for (int i = 0; i < 8; i++)
			next ^= c->table[7 - i][word >> 8 * i & 0xff];
		crc = (uint32_t)next;
	}
	while (len-- > 0)
		crc = crc >> 8 ^ c->table[0][(crc ^ *p++) & 0xff];
	c->state = crc;
}

uint32_t crc32_value(const struct crc32 *c)
{
	return ~c->state;
}
