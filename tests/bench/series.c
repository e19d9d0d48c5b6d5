/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/series.c - times that were measured again and again
 *
 * For the programs that measure without a runner.
 */
#include "tests/bench/series.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void series_add(struct series *s, uint64_t ns)
{
	if (s->n < SERIES_MAX)
		s->ns[s->n++] = ns;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void series_print(struct series *s, const char *name)
{
	unsigned int n = s->n;

	qsort(s->ns, n, sizeof(s->ns[0]), by_value);
	printf("\"%s\": {\"min\": %.3f, \"p50\": %.3f, \"p95\": %.3f, "
	       "\"max\": %.3f}", name, (double)s->ns[0] / 1e6,
	       (double)s->ns[n / 2] / 1e6, (double)s->ns[n * 95 / 100] / 1e6,
	       (double)s->ns[n - 1] / 1e6);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}
