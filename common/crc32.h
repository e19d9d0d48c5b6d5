/* SPDX-License-Identifier: MIT */
/* common/crc32.h - CRC-32 as in Ethernet and zlib */
#ifndef PODFLARE_COMMON_CRC32_H
#define PODFLARE_COMMON_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of the @len bytes at @data: polynomial 0xedb88320, reflected. */
uint32_t crc32_of(const void *data, size_t len);

#endif
