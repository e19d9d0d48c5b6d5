/* SPDX-License-Identifier: MIT */
/*
 * runner/vmctl-send.c - the requests that carry many descriptors
 *
 * podflared, loop thread.  The descriptors stay the caller's.
 */
#include "runner/vmctl-call.h"

#include <stdio.h>

#include "common/agent.h"
#include "common/fdpass.h"

#define NET_MTU 65520	/* large frames save what segmentation would */
#define CHILD_FDS 5	/* of a child in a CTL_FORK */

_Static_assert(VM_FORK_MAX == CTL_FORK_MAX, "children of one fork");
_Static_assert(1 + CHILD_FDS * CTL_FORK_MAX <= FDPASS_MAX, "a CTL_FORK has to fit");

/* Of every sandbox: no two of them share a wire, a fork cannot change what its
 * guest knows, and nothing about the host is told by it. */
static const uint8_t mac[6] = { 0x02, 'p', 'f', 0, 0, 1 };

static int add_disk(struct ctl_config *m, const char *id, uint32_t kind,
		    const int *fds, int nr_fds, int *all, size_t *n)
{
	struct ctl_disk *d = &m->disks[m->nr_disks++];

	d->kind = kind;
	d->read_only = kind == CTL_DISK_RAW;
	d->nr_fds = (uint32_t)nr_fds;
	strncpy(d->id, id, sizeof(d->id));
	if (*n + (size_t)nr_fds > FDPASS_MAX)
		return -1;
	for (int i = 0; i < nr_fds; i++)
		all[(*n)++] = fds[i];
	return 0;
}

struct vmctl_call *vmctl_config(struct vmctl *v, const struct vm_config *cfg,
				unsigned int timeout_ms, vmctl_cb cb, void *arg,
				struct err *err)
{
	int fds[FDPASS_MAX] = { cfg->kvm, cfg->kernel, cfg->console, cfg->exit,
				cfg->initrds[0], cfg->initrds[1] };
	struct ctl_config m = {
		.ram = cfg->ram, .vcpus = cfg->vcpus, .nr_initrds = 2,
		.guest_cid = AGENT_GUEST_CID, .console_max = cfg->console_max,
	};
	struct vmctl_call *c;
	size_t n = 6;

	if (strlen(cfg->cmdline) >= sizeof(m.cmdline) ||
	    add_disk(&m, "base", CTL_DISK_RAW, &cfg->base, 1, fds, &n) < 0 ||
	    add_disk(&m, cfg->disk_id,
		     cfg->nr_disk == 1 ? CTL_DISK_RAW : CTL_DISK_COW,
		     cfg->disk, cfg->nr_disk, fds, &n) < 0) {
		err_set(err, ERR_LIMIT, "command line or disk chain too long");
		return NULL;
	}
	if (cfg->card) {
		memcpy(m.net_mac, mac, sizeof(m.net_mac));
		m.net_mtu = NET_MTU;
	}
	snprintf(m.cmdline, sizeof(m.cmdline), "%s", cfg->cmdline);
	c = vmctl_call_new(v, CTL_CONFIG, timeout_ms, err);
	if (!c)
		return NULL;
	c->cb = cb;
	c->arg = arg;
	m.h = c->msg.h;
	return vmctl_call_send(c, &m, sizeof(m), fds, n, err) < 0 ? NULL : c;
}


struct vmctl_call *vmctl_net(struct vmctl *v, int wire,
			     unsigned int timeout_ms, vmctl_cb cb, void *arg,
			     struct err *err)
{
	struct vmctl_call *c = vmctl_call_new(v, CTL_NET, timeout_ms, err);
	struct ctl_header m;

	if (!c)
		return NULL;
	c->cb = cb;
	c->arg = arg;
	m = c->msg.h;
	return vmctl_call_send(c, &m, sizeof(m), &wire, 1, err) < 0 ? NULL : c;
}

struct vmctl_call *vmctl_fork(struct vmctl *v, int top,
			      const struct vm_fork_child *children,
			      unsigned int n, unsigned int timeout_ms,
			      vmctl_fork_cb cb, void *arg, struct err *err)
{
	struct ctl_fork m = { .n = n };
	int fds[1 + CHILD_FDS * CTL_FORK_MAX] = { top };
	struct vmctl_call *c;
	size_t nfds = 1;

	BUG_ON(n < 1 || n > CTL_FORK_MAX);
	for (unsigned int i = 0; i < n; i++) {
		const struct vm_fork_child *k = &children[i];

		m.flags[i] = k->hold ? CTL_FORK_HOLD : 0;
		fds[nfds++] = k->sock;
		fds[nfds++] = k->console;
		fds[nfds++] = k->exit;
		fds[nfds++] = k->log;
		fds[nfds++] = k->layer;
	}
	c = vmctl_call_new(v, CTL_FORK, timeout_ms, err);
	if (!c)
		return NULL;
	c->forked = cb;
	c->arg = arg;
	c->children = n;
	m.h = c->msg.h;
	return vmctl_call_send(c, &m, sizeof(m), fds, nfds, err) < 0 ? NULL : c;
}
