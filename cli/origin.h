/* SPDX-License-Identifier: MIT */
/* cli/origin.h - what sandboxes came from, and a look at it */
#ifndef PODFLARE_CLI_ORIGIN_H
#define PODFLARE_CLI_ORIGIN_H

#include "cli/side.h"

struct origin {
	const char *kind;	/* "point", "snapshot"; NULL: the image */
	char *id;		/* of that; owned */
	int64_t time;		/* of that, ns since the epoch; not 0 */
};

#define CLEANUP_ORIGIN __attribute__((cleanup(origin_free)))

/* What @s came from; with @with, what both came from last.
 * Return: 0, or -1 with @err. */
int origin_of(struct origin *o, const struct side *s, const struct side *with,
	      struct err *err);
void origin_free(struct origin *o);

/* A throwaway copy of it, there as long as its connection is open. */
struct view {
	struct client client;
	struct side side;
	char *name;		/* for messages; owned */
};

#define VIEW_INIT { .client = CLIENT_INIT }
#define CLEANUP_VIEW __attribute__((cleanup(view_close)))

/* @of whose past it is. Return: 0, or -1 with @err. */
int view_open(struct view *v, const struct origin *o, const struct side *of,
	      struct err *err);
void view_close(struct view *v);

#endif
