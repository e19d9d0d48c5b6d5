/* SPDX-License-Identifier: MIT */
/* runner/vmm/virtio-regs.h - the register file of virtio-mmio, for its .c */
#ifndef PODFLARE_VMM_VIRTIO_REGS_H
#define PODFLARE_VMM_VIRTIO_REGS_H

#include "runner/vmm/virtio-mmio.h"

/* The bus's way in; r is the region of a struct virtio_mmio. vCPU threads. */
extern const struct bus_ops virtio_regs_ops;

#endif
