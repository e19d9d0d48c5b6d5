/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-extract.h - a tar stream from a sandbox, unpacked on this host
 *
 * The archive is hostile.  Nothing is written outside of the folder, nor, in
 * it, under any other name than the one that was asked for.
 */
#ifndef PODFLARE_CLI_CP_EXTRACT_H
#define PODFLARE_CLI_CP_EXTRACT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct extract {
	int folder;		/* directory fd; the caller's */
	const char *only;	/* the one name to be made in it, with all that is
				 * below; NULL: any */
	/* The next bytes of the stream. Return: 1, 0 at its end, -1 with err. */
	int (*next)(void *source, const void **data, size_t *len,
		    struct err *err);
	void *source;
	/* An entry that is left out, and why. */
	void (*refused)(void *user, const char *path, const char *why);
	void *user;
	uint64_t nr_refused;
	uint64_t nr_entries;	/* made */
};

/*
 * Unpack. Device nodes, set-user-ID files and links that lead out are refused
 * one by one; a name that leads out ends it.
 * Return: 0 (look at nr_refused), or -1 with @err.
 */
int extract_tar(struct extract *x, struct err *err);

#endif
