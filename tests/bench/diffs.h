/* SPDX-License-Identifier: MIT */
/* tests/bench/diffs.h - what a diff of few files among many costs */
#ifndef PODFLARE_TESTS_BENCH_DIFFS_H
#define PODFLARE_TESTS_BENCH_DIFFS_H

#include "tests/bench/work.h"

#define DIFFS_CHANGED 100

/* Add "diff" to @report: of the images bench-100 and bench-@files, which have that
 * many files in /many, 100 in a folder (tests/bench/run makes them).
 * Return: 0, or -1 with @err. */
int diffs_measure(struct globals *g, int files, json_t *report,
		  struct err *err);

#endif
