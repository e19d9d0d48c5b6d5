/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/bus.h - dispatch of port I/O and MMIO to devices
 *
 * Regions are registered before the guest starts; dispatch is read-only after
 * that and runs on the vCPU threads, several at once: a device locks itself.
 */
#ifndef PODFLARE_VMM_BUS_H
#define PODFLARE_VMM_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_REGIONS_MAX 16

struct bus_region;

struct bus_ops {
	/* @param off from the region's base; off + len is inside the region
	 * @param data little-endian, len bytes; len is 1, 2, 4 or 8.
	 * A read has to fill all of @data. */
	void (*read)(struct bus_region *r, uint64_t off, void *data,
		     unsigned int len);
	void (*write)(struct bus_region *r, uint64_t off, const void *data,
		      unsigned int len);
};

/* A member of the device (container_of() gets that back). */
struct bus_region {
	uint64_t base;
	uint64_t len;		/* bytes */
	const struct bus_ops *ops;
};

struct bus {
	unsigned int nr;
	struct bus_region *regions[BUS_REGIONS_MAX];
};

/* @param r not owned, must outlive the bus. BUG() on overlap or overflow: both
 * are ours alone. */
void bus_add(struct bus *b, struct bus_region *r);
/* Return: false when nothing answers at [addr, addr + len) or len is none of
 * 1, 2, 4, 8; a read then gives all ones. */
bool bus_read(const struct bus *b, uint64_t addr, void *data, unsigned int len);
bool bus_write(const struct bus *b, uint64_t addr, const void *data,
	       unsigned int len);

#endif
