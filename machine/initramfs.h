/* SPDX-License-Identifier: MIT */
/* machine/initramfs.h - the machine's root file system, made and kept */
#ifndef PODFLARE_MACHINE_INITRAMFS_H
#define PODFLARE_MACHINE_INITRAMFS_H

#include "machine/inputs.h"

/* The initramfs of these inputs, from the cache or made anew; older ones are
 * removed. Return: its path, malloc'ed; NULL with @err. */
char *initramfs_make(const struct inputs *in, struct err *err);

#endif
