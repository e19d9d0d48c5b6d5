/* SPDX-License-Identifier: MIT */
/* guest-init/mapped.h - files that processes can write to through memory */
#ifndef PODFLARE_GUEST_MAPPED_H
#define PODFLARE_GUEST_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPPED_MAX 1024	/* with more, all files count as mapped */

struct mapped_file {
	uint64_t ino;
	char *path;
};

struct mapped {
	struct mapped_file *files;
	size_t n, room;
	bool all;
};

/* What all processes have mapped shared and writable. What cannot be read is
 * left out; when memory is out, all counts. @param proc where proc is mounted */
void mapped_read(struct mapped *m, const char *proc);
void mapped_free(struct mapped *m);
/* By either, since kernels differ in which inode of an overlay they tell: one
 * too many costs a look, one too few a change. */
bool mapped_has(const struct mapped *m, uint64_t ino, const char *path);

#endif
