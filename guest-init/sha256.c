/* SPDX-License-Identifier: MIT */
/*
 * guest-init/sha256.c - SHA-256 (FIPS 180-4)
 *
 * A child of pid 1.  The names are those of the standard.
 */
#include "guest-init/sha256.h"

#include <endian.h>
#include <string.h>

#include "common/util.h"

/* Section 4.2.2: of the first 64 primes' cube roots. */
static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static uint32_t word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return be32toh(w);
}

/* W_t of section 6.2.2, in place of W_(t-16). */
static inline uint32_t schedule(uint32_t w[16], int t)
{
	uint32_t a = w[(t + 1) & 15], b = w[(t + 14) & 15];

	a = rotr(a, 7) ^ rotr(a, 18) ^ a >> 3;
	b = rotr(b, 17) ^ rotr(b, 19) ^ b >> 10;
	return w[t & 15] += a + b + w[(t + 9) & 15];
}

/* One round; the caller turns the letters instead of moving the values. */
#define ROUND(a, b, c, d, e, f, g, h, t, wt) \
	do { \
		uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + \
			      (g ^ (e & (f ^ g))) + K[t] + (wt); \
		d += t1; \
		h = t1 + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + \
		    ((a & b) | (c & (a | b))); \
	} while (0)

#define EIGHT_ROUNDS(t, w) \
	do { \
		ROUND(a, b, c, d, e, f, g, h, t, w(t)); \
		ROUND(h, a, b, c, d, e, f, g, t + 1, w(t + 1)); \
		ROUND(g, h, a, b, c, d, e, f, t + 2, w(t + 2)); \
		ROUND(f, g, h, a, b, c, d, e, t + 3, w(t + 3)); \
		ROUND(e, f, g, h, a, b, c, d, t + 4, w(t + 4)); \
		ROUND(d, e, f, g, h, a, b, c, t + 5, w(t + 5)); \
		ROUND(c, d, e, f, g, h, a, b, t + 6, w(t + 6)); \
		ROUND(b, c, d, e, f, g, h, a, t + 7, w(t + 7)); \
	} while (0)

static void blocks(struct sha256 *s, const uint8_t *p, size_t n)
{
	uint32_t w[16];

#define FIRST(t) (w[t] = word(p + 4 * (t)))
#define LATER(t) schedule(w, t)
	for (; n; n--, p += SHA256_BLOCK) {
		uint32_t a = s->state[0], b = s->state[1], c = s->state[2];
		uint32_t d = s->state[3], e = s->state[4], f = s->state[5];
		uint32_t g = s->state[6], h = s->state[7];

		for (int t = 0; t < 16; t += 8)
			EIGHT_ROUNDS(t, FIRST);
		for (int t = 16; t < 64; t += 8)
			EIGHT_ROUNDS(t, LATER);
		s->state[0] += a;
		s->state[1] += b;
		s->state[2] += c;
		s->state[3] += d;
		s->state[4] += e;
		s->state[5] += f;
		s->state[6] += g;
		s->state[7] += h;
	}
#undef FIRST
#undef LATER
}

void sha256_init(struct sha256 *s)
{
	/* section 5.3.3: of the first eight primes' square roots */
	static const uint32_t h0[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memcpy(s->state, h0, sizeof(h0));
	s->len = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t len)
{
	size_t have = (size_t)(s->len % SHA256_BLOCK);
	const uint8_t *p = data;

	s->len += len;
	if (have) {
		size_t n = MIN(len, SHA256_BLOCK - have);

		memcpy(s->block + have, p, n);
		if (have + n < SHA256_BLOCK)
			return;
		blocks(s, s->block, 1);
		p += n;
		len -= n;
	}
	blocks(s, p, len / SHA256_BLOCK);
	memcpy(s->block, p + len - len % SHA256_BLOCK, len % SHA256_BLOCK);
}

void sha256_final(struct sha256 *s, uint8_t digest[SHA256_SIZE])
{
	static const uint8_t padding[SHA256_BLOCK] = { 0x80 };
	const uint64_t bits = htobe64(s->len * 8);
	size_t have = (size_t)(s->len % SHA256_BLOCK);

	sha256_update(s, padding, (have < 56 ? 56 : 120) - have);
	sha256_update(s, &bits, sizeof(bits));
	for (int i = 0; i < 8; i++) {
		uint32_t w = htobe32(s->state[i]);

		memcpy(digest + 4 * i, &w, sizeof(w));
	}
}
