/* SPDX-License-Identifier: MIT */
/* tests/bench/create.h - how long it takes until there is a sandbox */
#ifndef PODFLARE_TESTS_BENCH_CREATE_H
#define PODFLARE_TESTS_BENCH_CREATE_H

#include "tests/bench/work.h"

#define CREATES_MAX 64

/* Add "create" to @report: the first one, which makes the template unless there
 * is one, and @n more. A sandbox @name of that much RAM is left.
 * Return: 0, or -1 with @err. */
int create_measure(struct globals *g, const char *name, uint64_t memory, int n,
		   json_t *report, struct err *err);
/* Add @n that were handed out by the runner's pool, null where memory is not the
 * default or there is a config.yaml. Sandbox @name is made anew. */
int create_measure_pool(struct globals *g, const char *name, uint64_t memory,
			int n, json_t *report, struct err *err);
/* Add to that one for which the template has to come from its files; what is made
 * of it later has its RAM from there, too. Sandbox @name is made anew. */
int create_measure_file(struct globals *g, const char *name, uint64_t memory,
			json_t *report, struct err *err);

#endif
