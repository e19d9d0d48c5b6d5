/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/image.h - files that go into guest memory: kernel, initrds
 */
#ifndef PODFLARE_VMM_X86_IMAGE_H
#define PODFLARE_VMM_X86_IMAGE_H

#include <stdint.h>

#include "common/err.h"
#include "runner/vmm/memory.h"
#include "runner/vmm/x86/cpu.h"

struct boot_params;

struct image {
	int fd;			/* not owned */
	const char *name;	/* in errors: "kernel", "initrd 1" */
	uint64_t size;		/* bytes */
};

/* What a kernel loader found and did. */
struct kernel {
	uint64_t entry;		/* guest-physical, 64-bit mode */
	uint64_t end;		/* first address after all that it needs */
	uint64_t initrd_max;	/* an initrd has to end at or below it */
};

/* Return: 0, or -1 with @err: not a regular file, or empty. */
int image_open(struct image *img, int fd, const char *name, struct err *err);
/* Exactly @len bytes at @off. Return: 0, or -1 with @err ("cut short"). */
int image_read(const struct image *img, uint64_t off, void *buf, size_t len,
	       struct err *err);
/* The same, into guest memory at @gpa, in low RAM. */
int image_load(const struct image *img, uint64_t off,
	       const struct guest_memory *m, uint64_t gpa, uint64_t len,
	       struct err *err);

/* Both: Return: 1 when it is this kind and was loaded, 0 when it is not this
 * kind, -1 with @err when it is and something is wrong with it. */
int elf_load(const struct image *img, const struct guest_memory *m,
	     struct kernel *k, struct err *err);
/* @param bp its setup header is filled in from the file */
int bzimage_load(const struct image *img, const struct guest_memory *m,
		 struct boot_params *bp, struct kernel *k, struct err *err);

#endif
