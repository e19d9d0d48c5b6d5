/* SPDX-License-Identifier: MIT */
/*
 * cli/fetch.h - files of a sandbox with their contents, one after the other
 *
 *	fetch_init(&f, side, paths, n);
 *	while ((rc = fetch_next(&f, &c, err)) > 0)	(for each of the paths)
 *		while ((rc = fetch_data(&f, &at, &data, &len, err)) > 0)
 *			...
 */
#ifndef PODFLARE_CLI_FETCH_H
#define PODFLARE_CLI_FETCH_H

#include "cli/side.h"

struct fetch {
	const struct side *side;
	char *const *paths;
	size_t n;		/* of them */
	size_t next;		/* the next one */
	size_t asked;		/* up to which this stream goes */
	struct side_stream st;
	struct change file;	/* the one whose data come now */
	bool in_file;
	uint64_t at;		/* the next byte's place in it */
	uint64_t left;		/* of the extent */
};

#define CLEANUP_FETCH __attribute__((cleanup(fetch_free)))

/* @paths stay the caller's and are looked at until the end. */
void fetch_init(struct fetch *f, const struct side *side, char *const *paths,
		size_t n);
void fetch_free(struct fetch *f);
/* The next path's record, valid until the next call; with ->sys set there is
 * none. What is left of the file before is skipped.
 * Return: 1, 0 after the last one, -1 with @err. */
int fetch_next(struct fetch *f, const struct change **c, struct err *err);
/* Bytes of the file and their place in it; between them are zeros.
 * Return: 1, 0 at the file's end, -1 with @err. */
int fetch_data(struct fetch *f, uint64_t *at, const void **data, size_t *len,
	       struct err *err);

#endif
