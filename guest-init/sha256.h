/* SPDX-License-Identifier: MIT */
/* guest-init/sha256.h - SHA-256 (FIPS 180-4) */
#ifndef PODFLARE_GUEST_SHA256_H
#define PODFLARE_GUEST_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_BLOCK 64

struct sha256 {
	uint32_t state[8];
	uint64_t len;		/* bytes so far */
	uint8_t block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *s);
/* The message's next bytes. */
void sha256_update(struct sha256 *s, const void *data, size_t len);
/* The message has ended; @s is used up. */
void sha256_final(struct sha256 *s, uint8_t digest[SHA256_SIZE]);

#endif
