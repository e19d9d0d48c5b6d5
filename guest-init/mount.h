/* SPDX-License-Identifier: MIT */
/* guest-init/mount.h - from the initramfs to the sandbox's root */
#ifndef PODFLARE_GUEST_MOUNT_H
#define PODFLARE_GUEST_MOUNT_H

#include "common/err.h"

/* /dev, /proc and /sys of the initramfs. Return: 0, or -1 with @err. */
int mount_early(struct err *err);
/* What is left of the halves of the root when it covers them: descriptors. */
struct mount_halves {
	int disk;	/* the writable disk's root */
	int upper;	/* the folder of it that is the upper half */
	int lower;	/* the base */
};

/*
 * Mount the read-only base, the writable disk and the overlay of the two, make
 * that the root, and mount what a system has below it.
 * @param base_type file system type of /dev/vda
 * Return: 0, or -1 with @err.
 */
int mount_root(const char *base_type, struct mount_halves *h, struct err *err);
/* Write everything out and make the writable disk read-only, so that the next
 * boot finds it clean. @param disk of the halves */
void mount_quiesce(int disk);

#endif
