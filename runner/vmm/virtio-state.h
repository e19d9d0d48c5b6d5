/* SPDX-License-Identifier: MIT */
/* runner/vmm/virtio-state.h - a virtio device's registers and queues in a file */
#ifndef PODFLARE_VMM_VIRTIO_STATE_H
#define PODFLARE_VMM_VIRTIO_STATE_H

#include "runner/vmm/statefile.h"
#include "runner/vmm/virtio-mmio.h"

/* Put the state of @d into section "virtioI". */
void virtio_state_put(struct virtio_mmio *d, unsigned int i,
		      struct statefile_writer *w);
/* Get it back into a fresh device of the same kind; guest memory is in place.
 * Return: 0, or -1 with @err. */
int virtio_state_get(struct virtio_mmio *d, unsigned int i,
		     const struct statefile *f, struct err *err);

#endif
