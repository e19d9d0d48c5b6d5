/* SPDX-License-Identifier: MIT */
/* cli/image-work.h - a temporary folder that helper programs can reach */
#ifndef PODFLARE_CLI_IMAGE_WORK_H
#define PODFLARE_CLI_IMAGE_WORK_H

#include <sys/types.h>

#include "common/err.h"

/* Theory of operation: as an ordinary user mmdebstrap works under other user
 * ids, which must be able to pass through the folder ($TMPDIR, else /var/tmp:
 * never a home directory) and leave files that only they may remove. */
struct work {
	char *path;	/* mode 0711; $TMPDIR of the helpers */
	char *private;	/* below it, mode 0700 */
	int fd;		/* of private */
	int guard_fd;	/* what the guard waits for the end of */
	pid_t guard;
};

#define WORK_INIT { .fd = -1, .guard_fd = -1 }
#define CLEANUP_WORK __attribute__((cleanup(work_close)))

/* Return: 0, or -1 with @err. Folders that killed builds of this user left are
 * removed first, and programs that still work in them are ended. */
int work_open(struct work *w, struct err *err);
/* Start the child that clears up when we are killed: work_open() does.
 * Return: 0, or -1 with @err. */
int work_guard(struct work *w, struct err *err);
/* Remove all of it. */
void work_close(struct work *w);
/* Remove a work folder of this user, which nobody uses, with all in it.
 * Return: 0, or -1 with @err. */
int work_remove(const char *path, struct err *err);
/* Do so with all that are left in @tmp. */
void work_remove_stale(const char *tmp);
#define WORK_PREFIX "podflare-build-"

#endif
