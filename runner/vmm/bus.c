/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/bus.c - dispatch of port I/O and MMIO to devices
 *
 * Runs in podflare-vmm on the vCPU threads.  Distrusts the guest: any address
 * may come, devices get only accesses that are wholly inside their region.
 */
#include "runner/vmm/bus.h"

#include <string.h>

#include "common/util.h"

void bus_add(struct bus *b, struct bus_region *r)
{
	BUG_ON(b->nr == BUS_REGIONS_MAX);
	BUG_ON(r->len == 0 || r->base + r->len < r->base);
	for (unsigned int i = 0; i < b->nr; i++) {
		const struct bus_region *o = b->regions[i];

		BUG_ON(r->base < o->base + o->len && o->base < r->base + r->len);
	}
	b->regions[b->nr++] = r;
}

static struct bus_region *find(const struct bus *b, uint64_t addr,
			       unsigned int len)
{
	if (len != 1 && len != 2 && len != 4 && len != 8)
		return NULL;
	for (unsigned int i = 0; i < b->nr; i++) {
		struct bus_region *r = b->regions[i];

		if (addr < r->base || addr - r->base >= r->len)
			continue;
		return len <= r->len - (addr - r->base) ? r : NULL;
	}
	return NULL;
}

bool bus_read(const struct bus *b, uint64_t addr, void *data, unsigned int len)
{
	struct bus_region *r = find(b, addr, len);

	if (!r) {
		memset(data, 0xff, len);
		return false;
	}
	r->ops->read(r, addr - r->base, data, len);
	return true;
}

bool bus_write(const struct bus *b, uint64_t addr, const void *data,
	       unsigned int len)
{
	struct bus_region *r = find(b, addr, len);

	if (r)
		r->ops->write(r, addr - r->base, data, len);
	return r != NULL;
}
