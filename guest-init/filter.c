/* SPDX-License-Identifier: MIT */
/*
 * guest-init/filter.c - which paths a request is about
 *
 * A child of pid 1; the paths are the host's, checked in form.
 */
#include "guest-init/filter.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "guest-init/beneath.h"

void filter_free(struct filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->paths[i]);
	free(f->paths);
	*f = (struct filter){ 0 };
}

int filter_add(struct filter *f, char *path, struct err *err)
{
	CLEANUP_FREE char *given = path;
	CLEANUP_FREE char *clean = NULL;
	char **grown;

	if (path[0] != '/')
		return err_set(err, ERR_USAGE, "%.300s: not an absolute path",
			       path);
	clean = beneath_name(given, err);
	if (!clean)
		return -1;
	/* always room for twice as many */
	if ((f->n & (f->n - 1)) == 0) {
		grown = realloc(f->paths, (f->n ? 2 * f->n : 1) * sizeof(*grown));
		if (!grown)
			return err_sys(err, ENOMEM, "paths");
		f->paths = grown;
	}
	f->paths[f->n++] = steal_ptr(&clean);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The first of the range's paths that is not before @name and @end. */
static size_t lower_bound(const struct filter *f, const struct filter_range *r,
			  const char *name, const char *end)
{
	size_t from = r->from, to = r->to, len = strlen(name);

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		const char *path = f->paths[mid] + r->skip;
		int rc = strncmp(path, name, len);

		if (rc == 0)
			rc = strcmp(path + len, end);
		if (rc < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

struct filter_range filter_ready(struct filter *f)
{
	if (f->n)
		qsort(f->paths, f->n, sizeof(*f->paths), compare);
	f->all = f->n == 0 || !f->paths[0][0];
	return (struct filter_range){ 0, f->n, 0 };
}

int filter_names(const struct filter *f, const struct filter_range *r,
		 struct names *names)
{
	const char *last = NULL;
	size_t last_len = 0;

	for (size_t i = r->from; i < r->to; i++) {
		const char *name = f->paths[i] + r->skip;
		size_t len = strcspn(name, "/");

		if (last && len == last_len && memcmp(name, last, len) == 0)
			continue;
		if (names_add(names, name, len) < 0)
			return -1;
		last = name;
		last_len = len;
	}
	return 0;
}

bool filter_match(const struct filter *f, const struct filter_range *r,
		  const char *name, struct filter_range *below)
{
	size_t at = lower_bound(f, r, name, "");

	if (at < r->to && strcmp(f->paths[at] + r->skip, name) == 0)
		return true;
	below->from = lower_bound(f, r, name, "/");
	below->to = lower_bound(f, r, name, "0");	/* '/' + 1 */
	below->skip = r->skip + strlen(name) + 1;
	return false;
}
