/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/memory.h - the guest's RAM, and the only way into it
 *
 * RAM is one private anonymous mapping of this process: fork(2) gives a child
 * its own copy-on-write view of it.  The guest sees it in at most two slots,
 * below the hole (x86/layout.h) and from 4 GiB on.  Built without KVM, so that
 * devices can be tested in plain memory.
 */
#ifndef PODFLARE_VMM_MEMORY_H
#define PODFLARE_VMM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

#define MEMORY_SLOTS_MAX 2

struct memory_slot {
	uint64_t gpa;		/* first guest-physical address */
	uint64_t size;		/* bytes */
	uint8_t *host;
};

struct guest_memory {
	uint8_t *map;		/* the whole mapping, 2 MiB aligned */
	uint64_t ram;		/* bytes */
	bool from_file;		/* memory_init_from(): untouched is not zero */
	dev_t dev;		/* of that file */
	ino_t ino;
	uint8_t *laid;		/* bit per page: mapped by memory_lay(); NULL */
	unsigned int nr_slots;
	struct memory_slot slots[MEMORY_SLOTS_MAX];
};

/* @param ram bytes, a multiple of 4 KiB. Return: 0, or -1 with @err. */
int memory_init(struct guest_memory *m, uint64_t ram, struct err *err);
/* The same with a template's RAM in it, mapped privately: pages are read when they
 * are touched, and the file is never written to. It must not change as long as
 * anybody has it mapped.
 * @param fd of @ram bytes, not taken over. Return: 0, or -1 with @err. */
int memory_init_from(struct guest_memory *m, uint64_t ram, int fd,
		     struct err *err);
/* Over what memory_init_from() has mapped, before the guest runs: @pages pages
 * from @page on as the file @fd has them at the same places. As above.
 * Return: 0, or -1 with errno. */
int memory_lay(struct guest_memory *m, uint64_t page, uint64_t pages, int fd);
/* Whether memory_lay() has mapped it. */
bool memory_is_laid(const struct guest_memory *m, uint64_t page);
/* Unmap; harmless on a zeroed or already freed one. */
void memory_free(struct guest_memory *m);
/*
 * The host's view of guest-physical [gpa, gpa + len). Addresses come from the
 * guest: nothing is assumed about them.
 * Return: NULL when the range is empty, overflows, or is not wholly inside one
 * slot. The bytes behind the pointer change at any moment while vCPUs run.
 */
void *memory_ptr(const struct guest_memory *m, uint64_t gpa, size_t len);

#endif
