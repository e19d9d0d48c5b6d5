/* SPDX-License-Identifier: MIT */
/* tests/bench/copies.h - forks, freezing and thawing */
#ifndef PODFLARE_TESTS_BENCH_COPIES_H
#define PODFLARE_TESTS_BENCH_COPIES_H

#include "tests/bench/work.h"

#define COPIES_ROUNDS_MAX 100

/* Each adds its figures to @report; the sandbox runs before and after.
 * Return: 0, or -1 with @err. */
int copies_measure(struct globals *g, const char *sandbox, int rounds,
		   json_t *report, struct err *err);
int copies_measure_freeze(struct globals *g, const char *sandbox, int rounds,
			  json_t *report, struct err *err);

/* What a sandbox's VMM takes: {"private", "page_tables"} in KiB. */
json_t *copies_memory(long long pid, struct err *err);

#endif
