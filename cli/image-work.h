/* SPDX-License-Identifier: MIT */
/* cli/image-work.h - a temporary folder that helper programs can reach */
#ifndef PODFLARE_CLI_IMAGE_WORK_H
#define PODFLARE_CLI_IMAGE_WORK_H

#include "common/err.h"

/* Theory of operation: as an ordinary user mmdebstrap works under other user
 * ids, which must be able to pass through the folder ($TMPDIR, else /var/tmp:
 * never a home directory) and leave files that only they may remove. */
struct work {
	char *path;	/* mode 0711; $TMPDIR of the helpers */
	char *private;	/* below it, mode 0700 */
	int fd;		/* of private */
};

#define WORK_INIT { .fd = -1 }
#define CLEANUP_WORK __attribute__((cleanup(work_close)))

/* Return: 0, or -1 with @err. */
int work_open(struct work *w, struct err *err);
/* Remove all of it. */
void work_close(struct work *w);

#endif
