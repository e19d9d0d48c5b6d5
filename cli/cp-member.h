/* SPDX-License-Identifier: MIT */
/* cli/cp-member.h - names in a hostile archive, and what they lead to */
#ifndef PODFLARE_CLI_CP_MEMBER_H
#define PODFLARE_CLI_CP_MEMBER_H

#include "common/err.h"

/* A name without empty parts and ".": "a/b/c". */
struct member {
	char *path;		/* "" is the folder itself; owned */
	char *last;		/* in path: the last part */
	unsigned int depth;	/* how many parts */
};

#define CLEANUP_MEMBER __attribute__((cleanup(member_free)))

/* @param only as in struct extract. Return: 0, or -1 with @err (ERR_GUEST):
 * absolute, "..", empty, or another name than @only. */
int member_parse(const char *name, const char *only, struct member *m,
		 struct err *err);
void member_free(struct member *m);
/*
 * Whether a symbolic link at @m may say @target: it is relative, has ".." only
 * at its front, and no more of them than lead up to the top folder of the copy
 * (@only, else the folder itself).  The front goes through real directories,
 * and every link below obeys the same rule, so it cannot lead out.
 * Return: NULL, or why not.
 */
const char *member_link_refused(const struct member *m, const char *only,
				const char *target);
/* The directory that @m is in, beneath @folder, never through a link; missing
 * ones are made. Return: a directory fd, or -1 with @err. */
int member_open_parent(int folder, const struct member *m, struct err *err);
/* The object itself: openat2(2) beneath @folder, no links on the way.
 * Return: fd, or -1 with errno. */
int member_open(int folder, const char *path, int flags);

#endif
