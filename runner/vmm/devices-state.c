/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/devices-state.c - the devices' state as sections of a file
 *
 * Runs in podflare-vmm on the main thread, no vCPU running.  Distrusts the file.
 * Disks' contents are the layers' affair, connections into the guest end.
 */
#include "runner/vmm/devices.h"
#include "runner/vmm/virtio-state.h"

struct devices_section {
	uint32_t nr_virtio, nr_disks;
	uint64_t guest_cid;
	uint32_t agent_up, reserved;
};

void devices_put(struct devices *d, struct statefile_writer *w)
{
	const struct vsock_table *t = &d->vsock.table;
	const struct devices_section s = {
		.nr_virtio = d->nr_virtio, .nr_disks = d->nr_disks,
		.guest_cid = t->guest_cid,
		.agent_up = t->up || (t->resetting && t->up_after),
	};

	statefile_put(w, &s, sizeof(s), "devices");
	serial_put(&d->console.serial, w);
	for (unsigned int i = 0; i < d->nr_virtio; i++)
		virtio_state_put(d->virtio[i], i, w);
}

int devices_get(struct devices *d, const struct statefile *f, struct err *err)
{
	struct devices_section s;

	if (statefile_get(f, &s, sizeof(s), err, "devices") < 0)
		return -1;
	if (s.nr_virtio != d->nr_virtio || s.nr_disks != d->nr_disks)
		return err_set(err, ERR_IO, "state: %u devices with %u disks, "
			       "not %u with %u", s.nr_virtio, s.nr_disks,
			       d->nr_virtio, d->nr_disks);
	if (serial_get(&d->console.serial, f, err) < 0)
		return -1;
	for (unsigned int i = 0; i < d->nr_virtio; i++)
		if (virtio_state_get(d->virtio[i], i, f, err) < 0)
			return -1;
	d->vsock.table.up = s.agent_up;
	return devices_forget(d, d->console.log.fd, err);
}

uint64_t devices_saved_cid(const struct statefile *f)
{
	struct devices_section s;

	return statefile_get(f, &s, sizeof(s), NULL, "devices") < 0 ? 0 :
	       s.guest_cid;
}
