/* SPDX-License-Identifier: MIT */
/* machine/inputs.h - what of the host goes into the machine's initramfs */
#ifndef PODFLARE_MACHINE_INPUTS_H
#define PODFLARE_MACHINE_INPUTS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define INPUTS_MAX 512
#define INPUTS_KEY 65	/* hex digits and NUL */
#define INPUTS_LIBS "usr/lib"	/* all shared libraries, flat */

struct input {
	char *host;		/* path on the host */
	char *guest;		/* name in the archive */
	bool program;		/* executable; its libraries come along */
};

struct inputs {
	char *image;		/* the image's folder, for people */
	char *kernel;		/* its vmlinuz */
	char *modules;		/* its machine.cpio */
	char *applets;		/* busybox's, one a line; "" without busybox */
	size_t n;
	struct input files[INPUTS_MAX];
	char key[INPUTS_KEY];	/* changes when any of them does */
};

/* Find everything. Return: to be freed by inputs_free(), NULL with @err. */
struct inputs *inputs_find(struct err *err);
void inputs_free(struct inputs *in);
#define CLEANUP_INPUTS __attribute__((cleanup(inputs_freep)))
void inputs_freep(struct inputs **in);
/* Add a file unless that name is there. Return: 0, or -1 with @err. */
int inputs_add(struct inputs *in, const char *host, const char *guest,
	       bool program, struct err *err);
/* Add the libraries and loaders of all programs. Return: 0, or -1 with @err. */
int inputs_add_libraries(struct inputs *in, struct err *err);
/* Set kernel and modules from an image of the local store. */
int inputs_find_image(struct inputs *in, struct err *err);
/* A program's path by PATH and the sbin folders. Return: malloc'ed, NULL. */
char *inputs_search(const char *name);
/* stdout of a program, at most 1 MiB. Return: 0, or -1 with @err. */
int inputs_run(const char *const *argv, struct buf *out, struct err *err);

#endif
