/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/snapshot-memory.h - guest RAM to and from a sparse file
 *
 * The file has each page at its place.  Which pages are in it, and checksums of
 * them, are in the state file: holes do not survive every copy.
 */
#ifndef PODFLARE_VMM_SNAPSHOT_MEMORY_H
#define PODFLARE_VMM_SNAPSHOT_MEMORY_H

#include "runner/vmm/memory.h"
#include "runner/vmm/statefile.h"

/*
 * Write the pages to @fd, an empty file, that are not zero or, with a template,
 * not as they are there; put sections "memory.*".
 * @param pagemap /proc/PID/pagemap of this process
 * @param template the file that RAM was mapped from or is compared with; -1
 * Return: 0, or -1 with @err.
 */
int snapshot_memory_save(const struct guest_memory *m, int fd, int pagemap,
			 int template, struct statefile_writer *w,
			 struct err *err);
/* Check the file; with a template (else -1) check that, too, and copy the file's
 * pages over RAM, which was mapped from the template; without one RAM is to be
 * mapped from the file. Return: 0, or -1 with @err. */
int snapshot_memory_load(struct guest_memory *m, int fd, int template,
			 const struct statefile *f, struct err *err);

#endif
