/* SPDX-License-Identifier: MIT */
/*
 * runner/settings.h - what the user's config.yaml says
 *
 * The file is looked at again when a client says hello, and now and then while
 * something hangs on it.
 */
#ifndef PODFLARE_RUNNER_SETTINGS_H
#define PODFLARE_RUNNER_SETTINGS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "common/config.h"

struct settings {
	struct config now;	/* the last one that was right */
	bool looked;
	struct stat seen;	/* the file when it was read; st_ino 0: none */
	struct err err;		/* why the file does not count */
};

/* Read the file if it is another one than the last time. A broken one is logged,
 * and what held before holds. Return: whether `now` is new. */
bool settings_check(struct settings *s);

#endif
