/* SPDX-License-Identifier: MIT */
/*
 * guest-init/filter.h - which paths a request is about
 *
 * Kept sorted, so that the paths below any folder are a range of them.
 */
#ifndef PODFLARE_GUEST_FILTER_H
#define PODFLARE_GUEST_FILTER_H

#include <stdbool.h>

#include "guest-init/names.h"

struct filter {
	char **paths;		/* "a/b", no leading slash */
	size_t n;
	bool all;		/* none was given, or the root */
};

/* The filter's paths below a folder. */
struct filter_range {
	size_t from, to;
	size_t skip;		/* bytes of the folder's path, with its slash */
};

void filter_free(struct filter *f);
/* @param path absolute, taken over. Return: 0, or -1 with @err. */
int filter_add(struct filter *f, char *path, struct err *err);
/* After the last one. Return: the range that is below the root. */
struct filter_range filter_ready(struct filter *f);
/* The next parts of the range's paths. Return: as names_add(). */
int filter_names(const struct filter *f, const struct filter_range *r,
		 struct names *names);
/*
 * @param name a part that filter_names() gave
 * @param below the range below it, when it is only on the way to a path
 * Return: whether it is one of the paths.
 */
bool filter_match(const struct filter *f, const struct filter_range *r,
		  const char *name, struct filter_range *below);

#endif
