/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/cowswap.c - one layer in the place of several
 *
 * Runs in the VMM, on the thread of the loop, between two requests of the guest.
 * Distrusts the file that it is given: it is checked as any other, and has to
 * have exactly the clusters of those that go.  Their contents are not compared;
 * the runner has copied them from files that do not change.
 */
#include "runner/vmm/cowfile.h"

#include <errno.h>

int cow_may_replace(const struct cow_disk *c, unsigned int first,
		    unsigned int count, struct err *err)
{
	if (c->broken)
		return err_sys(err, c->broken,
			       "disk: an earlier flush failed");
	if (count < 1 || first >= c->nr || count >= c->nr - first)
		return err_set(err, ERR_USAGE, "%u layers from %u on are not "
			       "below the top of %u", count, first, c->nr);
	for (unsigned int i = first; i < first + count; i++) {
		const struct cow_layer *l = &c->layers[i];

		if (!(l->header.flags & COW_SEALED) || l->dirty)
			return err_set(err, ERR_STATE,
				       "disk layer %u is not sealed", i);
	}
	return 0;
}

static uint64_t word(const struct cow_layer *l, uint64_t at)
{
	uint64_t w;

	memcpy(&w, l->bitmap + at, sizeof(w));
	return w;
}

/* Whether @l has the clusters that the layers @old have together. */
static bool has_the_same(const struct cow_layer *l, const struct cow_layer *old,
			 unsigned int count)
{
	/* an empty one has pages that were never touched */
	for (uint64_t at = 0; at < l->header.bitmap_len; at += sizeof(at)) {
		uint64_t all = 0;

		for (unsigned int i = 0; i < count; i++)
			if (!old[i].empty)
				all |= word(&old[i], at);
		if (all != (l->empty ? 0 : word(l, at)))
			return false;
	}
	return true;
}

static int check(const struct cow_layer *l, const struct cow_layer *old,
		 unsigned int count, struct err *err)
{
	if (!(l->header.flags & COW_SEALED))
		return err_set(err, ERR_STATE, "the new disk layer is not "
			       "sealed");
	for (unsigned int i = 0; i < count; i++)
		if (old[i].header.size != l->header.size)
			return err_set(err, ERR_IO, "the new disk layer is of "
				       "another size");
	if (!has_the_same(l, old, count))
		return err_set(err, ERR_IO, "the new disk layer does not hold "
			       "what the %u old ones hold", count);
	return 0;
}

int cow_replace(struct cow_disk *c, unsigned int first, unsigned int count,
		int fd, struct err *err)
{
	struct cow_layer l = { .fd = fd }, *old = &c->layers[first];
	unsigned int behind = c->nr - first - count;

	if (cow_layer_read(&l, err) < 0 || check(&l, old, count, err) < 0) {
		cow_layer_close(&l);
		return -1;
	}
	for (unsigned int i = 0; i < count; i++)
		cow_layer_close(&old[i]);
	old[0] = l;
	memmove(&old[1], &old[count], behind * sizeof(*old));
	for (unsigned int i = c->nr - count + 1; i < c->nr; i++)
		c->layers[i] = (struct cow_layer){ .fd = -1 };
	c->nr -= count - 1;
	return 0;
}
