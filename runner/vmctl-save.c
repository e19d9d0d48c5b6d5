/* SPDX-License-Identifier: MIT */
/*
 * runner/vmctl-save.c - a guest into files and out of them
 *
 * podflared, loop thread.  The descriptors stay the caller's.
 */
#include "runner/vmctl-save.h"

#include "common/fdpass.h"
#include "runner/vmctl-call.h"

static struct vmctl_call *call_new(struct vmctl *v, uint32_t type,
				   unsigned int timeout_ms, vmctl_cb cb,
				   void *arg, struct err *err)
{
	struct vmctl_call *c = vmctl_call_new(v, type, timeout_ms, err);

	if (c) {
		c->cb = cb;
		c->arg = arg;
	}
	return c;
}

struct vmctl_call *vmctl_save(struct vmctl *v, const struct vm_save *s,
			      unsigned int timeout_ms, vmctl_cb cb, void *arg,
			      struct err *err)
{
	struct ctl_save m = { .has_template = s->template >= 0 };
	const int fds[] = { s->state, s->memory, s->pagemap, s->template };
	struct vmctl_call *c = call_new(v, CTL_SAVE, timeout_ms, cb, arg, err);

	if (!c)
		return NULL;
	m.h = c->msg.h;
	return vmctl_call_send(c, &m, sizeof(m), fds, 3 + m.has_template,
			       err) < 0 ? NULL : c;
}

struct vmctl_call *vmctl_restore(struct vmctl *v, const struct vm_restore *r,
				 unsigned int timeout_ms, vmctl_cb cb,
				 void *arg, struct err *err)
{
	struct ctl_restore m = {
		.console_max = r->console_max, .nr_disks = 2,
		.has_template = r->template >= 0,
		.disks = {
			{ .kind = CTL_DISK_RAW, .read_only = 1, .nr_fds = 1,
			  .id = "base" },
			{ .kind = CTL_DISK_COW, .nr_fds = (uint32_t)r->nr_disk },
		},
	};
	int fds[FDPASS_MAX] = { r->kvm, r->console, r->exit, r->state,
				r->memory };
	struct vmctl_call *c;
	size_t n = 5;

	_Static_assert(VM_LAYERS_MAX + 7 <= FDPASS_MAX, "files of one message");
	strncpy(m.disks[1].id, r->disk_id, sizeof(m.disks[1].id));
	if (m.has_template)
		fds[n++] = r->template;
	fds[n++] = r->base;
	for (int i = 0; i < r->nr_disk; i++)
		fds[n++] = r->disk[i];
	c = call_new(v, CTL_RESTORE, timeout_ms, cb, arg, err);
	if (!c)
		return NULL;
	m.h = c->msg.h;
	return vmctl_call_send(c, &m, sizeof(m), fds, n, err) < 0 ? NULL : c;
}
