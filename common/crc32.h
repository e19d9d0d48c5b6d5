/* SPDX-License-Identifier: MIT */
/* common/crc32.h - CRC-32 as in Ethernet and zlib */
#ifndef PODFLARE_COMMON_CRC32_H
#define PODFLARE_COMMON_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of the @len bytes at @data: polynomial 0xedb88320, reflected. */
uint32_t crc32_of(const void *data, size_t len);

/* The same of much, piece by piece, some GB in a second. */
struct crc32 {
	uint32_t state;
	uint32_t table[8][256];
};

void crc32_begin(struct crc32 *c);
void crc32_add(struct crc32 *c, const void *data, size_t len);
/* Of all that was added so far; more may be added. */
uint32_t crc32_value(const struct crc32 *c);

#endif
