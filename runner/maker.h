/* SPDX-License-Identifier: MIT */
/* runner/maker.h - what the machines of this runner are made by */
#ifndef PODFLARE_RUNNER_MAKER_H
#define PODFLARE_RUNNER_MAKER_H

#include <stdint.h>
#include <time.h>

#define MAKER_FILES 2

struct maker {
	struct {
		int64_t size;
		struct timespec mtime;
		uint32_t sum;
	} files[MAKER_FILES];
	char text[160];
};

/* podflare's version, and the sums of its programs in the guest and around it: a
 * template that was made by anything else is of no use. Files are read again
 * when they have changed. Return: the text, valid until the next call. */
const char *maker_text(struct maker *m);

#endif
