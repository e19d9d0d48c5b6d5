/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/request-config.c - requests that make a machine, or save it
 *
 * Runs in podflare-vmm on the main thread.  Distrusts the client for form: each
 * field is checked, and the number of descriptors, before anything is done.
 */
#include "runner/vmm/request-config.h"

#include <errno.h>
#include <unistd.h>

#include "runner/vmm/snapshot.h"
#include "runner/vmm/vmm.h"

static int check_disk(const struct ctl_disk *d, unsigned int i, struct err *err)
{
	switch (d->kind) {
	case CTL_DISK_RAW:
		if (d->nr_fds == 1)
			return 0;
		break;
	case CTL_DISK_COW:
		if (d->nr_fds >= 2 && d->nr_fds <= CTL_MAX_LAYERS)
			return 0;
		break;
	default:
		return err_set(err, ERR_USAGE, "disk %u: unknown kind %u",
			       i + 1, d->kind);
	}
	return err_set(err, ERR_USAGE, "disk %u: %u files", i + 1, d->nr_fds);
}

static int check_disks(const struct ctl_disk *disks, uint32_t n, size_t *need,
		       struct err *err)
{
	for (unsigned int i = 0; i < n; i++) {
		if (check_disk(&disks[i], i, err) < 0)
			return -1;
		*need += disks[i].nr_fds;
	}
	return 0;
}

/* @param need how many descriptors have to come with it */
static int check_config(const struct ctl_config *c, size_t *need,
			struct err *err)
{
	struct virtio_net_setup net = { .mtu = c->net_mtu };

	if (c->ram < CTL_RAM_MIN || c->ram > CTL_RAM_MAX || c->ram % (2 * MIB))
		return err_set(err, ERR_USAGE, "memory: %llu bytes is not 128 "
			       "MiB to 16 GiB in steps of 2 MiB",
			       (unsigned long long)c->ram);
	if (c->vcpus < 1 || c->vcpus > CTL_MAX_VCPUS)
		return err_set(err, ERR_USAGE, "vCPUs: %u is not 1 to %d",
			       c->vcpus, CTL_MAX_VCPUS);
	if (c->nr_initrds > CTL_MAX_INITRDS || c->nr_disks > CTL_MAX_DISKS)
		return err_set(err, ERR_USAGE, "too many initrds or disks");
	if (c->guest_cid < 3)	/* 0 to 2 are reserved: virtio 1.2, 5.10.4 */
		return err_set(err, ERR_USAGE, "guest CID: %u is reserved",
			       c->guest_cid);
	memcpy(net.mac, c->net_mac, sizeof(net.mac));
	if (c->net_mtu && !virtio_net_setup_ok(&net))
		return err_set(err, ERR_USAGE, "network card: MTU %u, or an "
			       "address that is not a local one", c->net_mtu);
	if (!memchr(c->cmdline, 0, sizeof(c->cmdline)))
		return err_set(err, ERR_USAGE, "kernel command line: longer "
			       "than %zu bytes", sizeof(c->cmdline) - 1);
	*need = 4 + c->nr_initrds;
	return check_disks(c->disks, c->nr_disks, need, err);
}

static void configure(struct vmm *v, const struct ctl_config *c, int *fds,
		      size_t nfds)
{
	struct vmm_config cfg = {
		.c = c,
		.kvm = fds[0], .kernel = fds[1], .log = fds[2],
		.exit_record = fds[3],
	};
	struct err err = ERR_INIT;
	int rc;

	for (size_t i = 4; i < nfds; i++) {
		if (i - 4 < c->nr_initrds)
			cfg.initrds[i - 4] = fds[i];
		else
			cfg.disks[i - 4 - c->nr_initrds] = fds[i];
	}
	rc = vmm_configure(v, &cfg, &err);
	close(cfg.kernel);
	for (size_t i = 0; i < c->nr_initrds; i++)
		close(cfg.initrds[i]);
	for (size_t i = 0; i < nfds - 4 - c->nr_initrds; i++)
		if (cfg.disks[i] >= 0)
			close(cfg.disks[i]);
	if (rc < 0) {
		request_reply_err(v, c->h.seq, &err);
		vmm_end(v, CTL_EXIT_SETUP, err.msg);
		return;
	}
	request_reply(v, c->h.seq, 0, "", -1);
}

bool request_config(struct vmm *v, const void *msg, size_t len, int *fds,
		    size_t nfds)
{
	const struct ctl_config *c = msg;
	struct err err = ERR_INIT;
	size_t need = 0;

	if (len != sizeof(*c))
		return false;
	if (v->state != CTL_STATE_NEW)
		err_set(&err, ERR_STATE, "configured already");
	else if (check_config(c, &need, &err) == 0 && need != nfds)
		err_set(&err, ERR_USAGE, "%zu descriptors, %zu are needed",
			nfds, need);
	if (err.code) {
		request_close_fds(fds, nfds);
		request_reply_err(v, c->h.seq, &err);
		return true;
	}
	configure(v, c, fds, nfds);
	return true;
}

static int check_restore(const struct vmm *v, const struct ctl_restore *c,
			 size_t nfds, struct err *err)
{
	size_t need = 5 + (c->has_template != 0);

	if (v->state != CTL_STATE_NEW)
		return err_set(err, ERR_STATE, "configured already");
	if (c->nr_disks > CTL_MAX_DISKS)
		return err_set(err, ERR_USAGE, "too many disks");
	if (check_disks(c->disks, c->nr_disks, &need, err) < 0)
		return -1;
	if (need != nfds)
		return err_set(err, ERR_USAGE,
			       "%zu descriptors, %zu are needed", nfds, need);
	return 0;
}

bool request_restore(struct vmm *v, const void *msg, size_t len, int *fds,
		     size_t nfds)
{
	const struct ctl_restore *c = msg;
	struct snapshot_files files = { .pagemap = -1, .template = -1 };
	struct vmm_config cfg;
	struct err err = ERR_INIT;
	size_t used = 5;

	if (len != sizeof(*c))
		return false;
	if (check_restore(v, c, nfds, &err) < 0) {
		request_close_fds(fds, nfds);
		request_reply_err(v, c->h.seq, &err);
		return true;
	}
	cfg = (struct vmm_config){
		.kvm = fds[0], .log = fds[1], .exit_record = fds[2],
	};
	files.state = fds[3];
	files.memory = fds[4];
	if (c->has_template)
		files.template = fds[used++];
	for (size_t i = used; i < nfds; i++)
		cfg.disks[i - used] = fds[i];
	if (vmm_restore(v, c, &cfg, &files, &err) == 0)
		request_reply(v, c->h.seq, 0, "", -1);
	else
		request_reply_err(v, c->h.seq, &err);
	/* the mappings of files stay */
	request_close_fds(fds + 3, used - 3);
	request_close_fds(cfg.disks, nfds - used);
	if (err.code)
		vmm_end(v, CTL_EXIT_SETUP, err.msg);
	return true;
}

bool request_save(struct vmm *v, const void *msg, size_t len, int *fds,
		  size_t nfds)
{
	const struct ctl_save *s = msg;
	struct err err = ERR_INIT;

	if (len != sizeof(*s) || nfds != 3u + (s->has_template != 0))
		return false;
	if (v->state != CTL_STATE_PAUSED && v->state != CTL_STATE_HELD) {
		err_set(&err, ERR_STATE, "it is not paused");
	} else {
		const struct snapshot_files files = {
			.state = fds[0], .memory = fds[1], .pagemap = fds[2],
			.template = s->has_template ? fds[3] : -1,
		};

		snapshot_save(v, &files, &err);
	}
	request_close_fds(fds, nfds);
	if (err.code)
		request_reply_err(v, s->h.seq, &err);
	else
		request_reply(v, s->h.seq, 0, "", -1);
	return true;
}
