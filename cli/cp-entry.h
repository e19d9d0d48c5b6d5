/* SPDX-License-Identifier: MIT */
/* cli/cp-entry.h - one member of an archive becomes a file */
#ifndef PODFLARE_CLI_CP_ENTRY_H
#define PODFLARE_CLI_CP_ENTRY_H

#include <archive.h>
#include <archive_entry.h>

#include "cli/cp-extract.h"
#include "cli/cp-member.h"

/* Folders get their mode and time when all is in them. */
struct late_folder {
	char *path;
	mode_t mode;
	struct timespec mtime;
};

struct late_folders {
	struct late_folder *v;
	size_t n, cap;
};

/*
 * Make the member. What stands there already is replaced, except that a folder
 * stays and a folder never replaces a file.
 * Return: 0; 1 with *@why when it is refused; -1 with @err.
 */
int entry_make(struct extract *x, struct archive *a, struct archive_entry *e,
	       const struct member *m, struct late_folders *late,
	       const char **why, struct err *err);
/* Set what was put off, deepest last first, and free it. */
void late_folders_finish(struct late_folders *late, int folder);

#endif
