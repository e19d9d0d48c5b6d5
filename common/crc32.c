/* SPDX-License-Identifier: MIT */
/*
 * common/crc32.c - CRC-32 as in Ethernet and zlib
 *
 * For headers and a machine's state, some 100 KiB at most: bit by bit will do.
 */
#include "common/crc32.h"

uint32_t crc32_of(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = 0xffffffffu;

	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}
