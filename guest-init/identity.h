/* SPDX-License-Identifier: MIT */
/* guest-init/identity.h - what makes a machine itself, made anew in a copy */
#ifndef PODFLARE_GUEST_IDENTITY_H
#define PODFLARE_GUEST_IDENTITY_H

#include "common/err.h"

/*
 * A new machine-id in place of the old one, wherever there is one, also where it
 * was yet to be set; seeds of
 * random numbers that are to be used after the next boot are removed.  To be
 * called once the kernel's random numbers are its own.
 * @param root folder of the file system
 * Return: 0, or -1 with @err; all else was done.
 */
int identity_renew(const char *root, struct err *err);

#endif
