/* SPDX-License-Identifier: MIT */
/* cli/merge-files.h - podflare merge --files */
#ifndef PODFLARE_CLI_MERGE_FILES_H
#define PODFLARE_CLI_MERGE_FILES_H

#include "cli/cmd.h"
#include "cli/textdiff.h"

struct merge_files {
	struct globals *globals;
	char **names;		/* the parent, then the children */
	int nr_names;
	char **paths;		/* the user's */
	int nr_paths;
	enum textdiff_favor favor;
	bool dry_run;
};

/* Return: exit code, or -1 with @err. */
int merge_files(const struct merge_files *f, struct err *err);

#endif
