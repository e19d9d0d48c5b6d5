/* SPDX-License-Identifier: MIT */
/* machine/cpio.h - write a newc cpio archive, as the kernel's initramfs is */
#ifndef PODFLARE_MACHINE_CPIO_H
#define PODFLARE_MACHINE_CPIO_H

#include <stdio.h>

#include "common/err.h"

struct cpio {
	FILE *f;		/* not owned */
	unsigned int ino;	/* of the last entry */
};

/* Names are relative ("usr/bin/x"); parents must be written before. All belong
 * to root. Return: 0, or -1 with @err. */
int cpio_dir(struct cpio *c, const char *name, unsigned int mode,
	     struct err *err);
int cpio_text(struct cpio *c, const char *name, const char *text,
	      struct err *err);
int cpio_symlink(struct cpio *c, const char *name, const char *target,
		 struct err *err);
/* The file at @path, at most 1 GiB. */
int cpio_file(struct cpio *c, const char *name, unsigned int mode,
	      const char *path, struct err *err);
/* The trailer. */
int cpio_end(struct cpio *c, struct err *err);
/* The bytes of another archive as they are, padded for the next one. */
int cpio_concat(FILE *f, const char *path, struct err *err);

#endif
