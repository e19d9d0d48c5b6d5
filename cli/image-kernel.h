/* SPDX-License-Identifier: MIT */
/* cli/image-kernel.h - kernel files: bzImage and ELF */
#ifndef PODFLARE_CLI_IMAGE_KERNEL_H
#define PODFLARE_CLI_IMAGE_KERNEL_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define KERNEL_BYTES_MAX (512 * MIB)
#define KERNEL_RELEASE_MAX 64

struct kernel {
	struct buf vmlinuz;	/* the bzImage; empty if it was an ELF file */
	struct buf vmlinux;	/* ELF; empty if it could not be unpacked */
	char release[KERNEL_RELEASE_MAX];	/* "" if it does not say */
};

#define KERNEL_INIT { .vmlinuz = { .max = KERNEL_BYTES_MAX }, \
		      .vmlinux = { .max = KERNEL_BYTES_MAX } }
#define CLEANUP_KERNEL __attribute__((cleanup(kernel_free)))

/*
 * Read an x86-64 kernel and unpack it.
 * Return: 0, or -1 with @err (ERR_USAGE: no kernel, corrupt).
 */
int kernel_load(int dirfd, const char *path, struct kernel *k,
		struct err *err);
void kernel_free(struct kernel *k);
/* Return: 0 when @data is a whole ELF executable for x86-64. */
int kernel_check_elf(const uint8_t *data, size_t len, const char *what,
		     struct err *err);
/* Unpack the bzImage in k->vmlinuz into k->vmlinux, set the release.
 * Return: 0, also when it is packed in a way not known here; -1 with @err. */
int kernel_unpack(struct kernel *k, const char *what, struct err *err);

#endif
