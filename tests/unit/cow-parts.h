/* SPDX-License-Identifier: MIT */
/* tests/unit/cow-parts.h - what the parts of cow-machine share */
#ifndef PODFLARE_TESTS_COW_PARTS_H
#define PODFLARE_TESTS_COW_PARTS_H

#include "tests/unit/cow-machine.h"

#define COW_DISK_SIZE (129 * MIB)	/* two pages of the bitmap */
#define COW_SECTOR 512ULL

extern enum cow_break cow_breaking;
extern bool cow_loud;

/* The test has found something: the process ends. */
void cow_wrong(const struct cow_world *w, const char *what, unsigned int at)
	__attribute__((noreturn));
/* What happens, for who looks for a fault: PODFLARE_TRACE=1. */
void cow_trace(struct machine *m, const char *what);

#define WANT(m, cond) do { \
	if (!(cond)) \
		cow_wrong((m)->world, "not so: " #cond ", line", __LINE__); \
} while (0)

/* All sectors of a buffer of one. */
void machine_fill(uint8_t *sector, uint32_t stamp);
/* The model: all is flushed; after a crash, what is there, if it may be. */
void machine_flushed(struct machine *m);
void machine_learn(struct machine *m);

#endif
