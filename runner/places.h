/* SPDX-License-Identifier: MIT */
/* runner/places.h - the folders of the runner, and walking through them */
#ifndef PODFLARE_RUNNER_PLACES_H
#define PODFLARE_RUNNER_PLACES_H

#include <dirent.h>

#include "runner/runner.h"

/* Make and open the folders. Refuses a full disk. Return: 0, or -1 with @err. */
int places_open(struct places *p, struct err *err);
void places_close(struct places *p);
/* Return: a stream over @name in @dirfd, NULL with errno. */
DIR *places_opendir(int dirfd, const char *name);
/* Return: ERR_NO_SPACE in @err and -1 when less than @bytes are free. */
int places_check_space(const struct places *p, uint64_t bytes,
		       struct err *err);
/* Read the id of the host's current boot. */
void places_boot_id(char *out, size_t size);

#endif
