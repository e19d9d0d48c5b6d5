/* SPDX-License-Identifier: MIT */
/* tests/bench/series.h - times that were measured again and again */
#ifndef PODFLARE_TESTS_BENCH_SERIES_H
#define PODFLARE_TESTS_BENCH_SERIES_H

#include <stdint.h>

#define SERIES_MAX 1000

struct series {
	uint64_t ns[SERIES_MAX];
	unsigned int n;
};

/* More than SERIES_MAX are forgotten. */
void series_add(struct series *s, uint64_t ns);
/* Print "NAME": {"min": MS, "p50": ..., "p95": ..., "max": ...}, a piece of a
 * JSON object. Sorts them. */
void series_print(struct series *s, const char *name);

/* Say what failed, end the program. */
void die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif
