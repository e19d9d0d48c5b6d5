/* SPDX-License-Identifier: MIT */
/*
 * common/savedfmt.h - a machine in files, checked without one
 *
 * docs/snapshot-format.md.  The VMM, which makes and reads the files, has code of
 * its own; this says whether they are whole, for `podflare gc --check`.
 */
#ifndef PODFLARE_COMMON_SAVEDFMT_H
#define PODFLARE_COMMON_SAVEDFMT_H

#include <stdatomic.h>

#include "common/err.h"

/* Check state and memory, and the template's memory if there is one (-1: none):
 * structure, checksums, lengths.
 * @param stop NULL, or looked at now and then: true gives up (ERR_CANCELLED)
 * @param bytes how much was read of memory is added; may be NULL
 * Return: 0, or -1 with @err: what is wrong. */
int saved_format_check(int state, int memory, int template,
		       const atomic_bool *stop, uint64_t *bytes,
		       struct err *err);

#endif
