/* SPDX-License-Identifier: MIT */
/*
 * runner/vmctl-layers.c - the files that a guest's disk is made of (CTL_LAYERS)
 *
 * podflared, loop thread.  Distrusts the VMM, as vmctl.c does.
 */
#include "runner/vmctl-layers.h"

#include "runner/vmctl-call.h"

#define DISK 1		/* the one that is written to, as in CTL_CONFIG */

_Static_assert(VM_LAYERS_MAX == CTL_MAX_LAYERS, "layers of a disk");

struct vmctl_call *vmctl_layers(struct vmctl *v, const struct vm_exchange *x,
				unsigned int timeout_ms, vmctl_layers_cb cb,
				void *arg, struct err *err)
{
	struct ctl_layers m = { .disk = DISK };
	struct vmctl_call *c;

	if (x) {
		BUG_ON(x->count < 1 || x->count > CTL_MAX_LAYERS);
		m.first = x->first;
		m.count = x->count;
		for (unsigned int i = 0; i < x->count; i++)
			m.old[i] = (struct ctl_file){ x->old[i].dev,
						      x->old[i].ino };
	}
	c = vmctl_call_new(v, CTL_LAYERS, timeout_ms, err);
	if (!c)
		return NULL;
	c->layers = cb;
	c->arg = arg;
	m.h = c->msg.h;
	return vmctl_call_send(c, &m, sizeof(m), x ? &x->fd : NULL, x != NULL,
			       err) < 0 ? NULL : c;
}

bool vmctl_layers_answer(struct vmctl_call *c, const struct ctl_layered *m)
{
	struct vm_layers l = { .n = m->n, .sealed = m->sealed };
	vmctl_layers_cb cb;
	void *arg;

	if (!c || c->msg.h.type != CTL_LAYERS || m->n < 1 ||
	    m->n > CTL_MAX_LAYERS || m->sealed > m->n)
		return false;
	for (unsigned int i = 0; i < l.n; i++)
		l.file[i] = (struct vm_file){ m->layers[i].dev,
					      m->layers[i].ino };
	cb = c->layers;
	arg = c->arg;
	vmctl_call_free(c);
	if (cb)
		cb(arg, NULL, &l);
	return true;
}
