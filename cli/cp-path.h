/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-path.h - where a copy goes: the rules of docker cp
 *
 * SRC a file:   DST missing: becomes that file ("DST/": an error); DST a file:
 *               overwritten; DST a directory: goes into it.
 * SRC a folder: DST missing: becomes that folder; DST a file: an error; DST a
 *               folder: goes into it, or with SRC/. its contents do.
 * DST's own folder must exist in any case.
 */
#ifndef PODFLARE_CLI_CP_PATH_H
#define PODFLARE_CLI_CP_PATH_H

#include <stdbool.h>

#include "common/err.h"

/* One side of the command line. */
struct cp_end {
	bool stdio;		/* "-" */
	char *sandbox;		/* NULL: on this host; owned */
	char *path;		/* without the "/." and slashes at the end; owned */
	bool slash;		/* it ended in "/" or "/.": must be a folder */
	bool contents;		/* it ended in "/.", or is ".", ".." or "/" */
};

enum cp_type { CP_MISSING, CP_FILE, CP_FOLDER };

/* What to read, and what it is called where. */
struct cp_plan {
	char *folder;		/* on the destination's side; owned */
	char *name;		/* in that folder; NULL: the contents; owned */
};

#define CLEANUP_CP_END __attribute__((cleanup(cp_end_free)))
#define CLEANUP_CP_PLAN __attribute__((cleanup(cp_plan_free)))

/* "SB:PATH" when the part before the colon has no slash and does not begin
 * with a dot. "SB:" is the user's home in the sandbox.
 * Return: 0, or -1 with @err (ERR_USAGE). */
int cp_end_parse(const char *arg, struct cp_end *e, struct err *err);
void cp_end_free(struct cp_end *e);
/* The folder that holds @path, and its name there: "a/b" -> "a", "b";
 * "b" -> ".", "b". Return: 0, or -1 out of memory. */
int cp_split(const char *path, char **folder, char **name);
/*
 * @param src_type never CP_MISSING
 * @param folder_exists whether the folder that would hold dst exists
 * Return: 0 with @plan, or -1 with @err.
 */
int cp_plan_make(const struct cp_end *src, enum cp_type src_type,
		 const struct cp_end *dst, enum cp_type dst_type,
		 bool folder_exists, struct cp_plan *plan, struct err *err);
void cp_plan_free(struct cp_plan *plan);

#endif
