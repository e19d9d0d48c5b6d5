/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/devices-state.c - the devices' state as sections of a file
 *
 * Runs in podflare-vmm on the main thread, no vCPU running.  Distrusts the file.
 * Disks' contents are the layers' affair; connections into the guest and the
 * network's back end stay behind.
 */
#include "runner/vmm/devices.h"
#include "runner/vmm/virtio-state.h"

struct devices_section {
	uint32_t nr_virtio, nr_disks;
	uint64_t guest_cid;
	uint32_t agent_up, reserved;
};

/* Of a machine that has a network card. */
struct net_section {
	uint8_t mac[6];
	uint16_t mtu;
	uint32_t used, reserved;
};

static void put_net(const struct virtio_net *n, struct statefile_writer *w)
{
	struct net_section s = { .mtu = n->setup.mtu, .used = n->used };

	memcpy(s.mac, n->setup.mac, sizeof(s.mac));
	statefile_put(w, &s, sizeof(s), "net");
}

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
	if (d->net_ready)
		put_net(&d->net, w);
}

static int get_net(struct virtio_net *n, const struct statefile *f,
		   struct err *err)
{
	struct net_section s;

	if (statefile_get(f, &s, sizeof(s), err, "net") < 0)
		return -1;
	n->used = s.used != 0;
	return 0;
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
	if (d->net_ready && get_net(&d->net, f, err) < 0)
		return -1;
	d->vsock.table.up = s.agent_up;
	return devices_forget(d, d->console.log.fd, err);
}

int devices_saved_setup(const struct statefile *f, struct devices_setup *setup,
			struct err *err)
{
	struct devices_section s;
	struct net_section net;
	size_t len;

	if (statefile_get(f, &s, sizeof(s), err, "devices") < 0)
		return -1;
	/* 0 to 2 are reserved: virtio 1.2, 5.10.4 */
	if (s.guest_cid < 3 || s.guest_cid > UINT32_MAX)
		return err_set(err, ERR_IO, "state: its CID is reserved");
	setup->guest_cid = s.guest_cid;
	setup->net.mtu = 0;
	if (!statefile_find(f, &len, "net"))
		return 0;
	if (statefile_get(f, &net, sizeof(net), err, "net") < 0)
		return -1;
	memcpy(setup->net.mac, net.mac, sizeof(net.mac));
	setup->net.mtu = net.mtu;
	if (!virtio_net_setup_ok(&setup->net))
		return err_set(err, ERR_IO, "state: no network card is so");
	return 0;
}
