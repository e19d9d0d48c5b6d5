/* SPDX-License-Identifier: MIT */
/* cli/image-modules.h - kernel modules: what needs what, and initramfs parts */
#ifndef PODFLARE_CLI_IMAGE_MODULES_H
#define PODFLARE_CLI_IMAGE_MODULES_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define MODULES_MAX 64	/* in one initramfs part */

struct module {
	char *name;	/* with _ for -, without .ko */
	char *path;
};

struct modules {
	struct module *v;	/* sorted by name */
	size_t n;
	struct buf builtin;	/* modules.builtin, one path a line */
};

#define MODULES_INIT { 0 }
#define CLEANUP_MODULES __attribute__((cleanup(modules_free)))

/* What the guest needs, and the emulated machine; NULL-terminated. Those that
 * begin with "?" may be missing. */
extern const char *const modules_guest[];
extern const char *const modules_machine[];

/* Find all NAME.ko, .ko.xz, .ko.zst, .ko.gz below @dir, and modules.builtin.
 * Return: 0, or -1 with @err. */
int modules_scan(struct modules *m, const char *dir, struct err *err);
void modules_free(struct modules *m);
/*
 * Write a cpio archive (newc) with the modules in @names, those that they need,
 * and /modules/order, to @dirfd/@file.
 * Return: 0, or -1 with @err (one is neither there nor built in).
 */
int modules_write(struct modules *m, const char *const *names, int dirfd,
		  const char *file, struct err *err);
/* "a,b" of a module's "depends=" entry, copied to @out. Return: -1 if there is
 * none or it is too long. */
int modules_depends(const void *ko, size_t len, char *out, size_t size);

#endif
