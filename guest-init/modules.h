/* SPDX-License-Identifier: MIT */
/* guest-init/modules.h - the kernel modules of the initramfs */
#ifndef PODFLARE_GUEST_MODULES_H
#define PODFLARE_GUEST_MODULES_H

/*
 * Load what /modules/order lists, in that order, and free the files. A module
 * that does not load is logged: what it was needed for will fail and say so.
 * Left out are drivers of devices that this sandbox has not.
 * @param base_type the base's file system; the other type's modules are left out
 */
void modules_load(const char *base_type);

#endif
