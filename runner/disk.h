/* SPDX-License-Identifier: MIT */
/*
 * runner/disk.h - the empty ext4 file systems at the bottom of the disks
 *
 * disks/ext4-BYTES-RANDOM.img is made once per size and never changed.  The
 * random part ties a sandbox's layers to the very file that they were begun on:
 * another file system of the same size would be corruption.
 */
#ifndef PODFLARE_RUNNER_DISK_H
#define PODFLARE_RUNNER_DISK_H

#include "runner/runner.h"

#define DISK_SIZE_MIN (64 * MIB)
#define DISK_SIZE_MAX (64 * GIB)
#define DISK_NAME_MAX 64	/* of a base file, NUL included */

struct disk_wait;

/* @err NULL: there is a base of that size now. Not called after a cancel. */
typedef void (*disk_cb)(void *arg, const struct err *err);

/* The base for new disks of @bytes. @name has DISK_NAME_MAX bytes.
 * Return: 0, or -1 when there is none yet. */
int disk_base_find(struct runner *r, uint64_t bytes, char *name);
/* Make one. Calls for the same size share the work. Return: NULL with @err. */
struct disk_wait *disk_base_make(struct runner *r, uint64_t bytes, disk_cb cb,
				 void *arg, struct err *err);
void disk_wait_cancel(struct disk_wait *w);
/* Open a base by the name a sandbox recorded. Return: fd, -1 with @err. */
int disk_base_open(struct runner *r, const char *name, struct err *err);
/* End what is being made (the runner ends). */
void disk_cancel_all(struct runner *r);
/* Remove what a killed runner left half made. */
void disk_clean(struct runner *r);

#endif
