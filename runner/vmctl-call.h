/* SPDX-License-Identifier: MIT */
/* runner/vmctl-call.h - a control socket's calls (vmctl*.c only) */
#ifndef PODFLARE_RUNNER_VMCTL_CALL_H
#define PODFLARE_RUNNER_VMCTL_CALL_H

#include <sys/queue.h>

#include "runner/vmctl-fork.h"
#include "runner/vmctl-layers.h"
#include "runner/vmm/control.h"

struct vmctl_call {
	struct vmctl *vmctl;
	LIST_ENTRY(vmctl_call) link;
	TAILQ_ENTRY(vmctl_call) unsent;
	struct loop_timer deadline;
	vmctl_cb cb;	/* one of these; none: cancelled, only the answer is */
	vmctl_fork_cb forked;	/* awaited */
	vmctl_layers_cb layers;
	uint32_t children;	/* of a fork */
	void *arg;
	struct ctl_connect msg;	/* its beginning for other types */
	bool sent;
};

struct vmctl {
	struct loop *loop;
	struct loop_watch watch;
	const struct vmctl_ops *ops;
	void *arg;
	uint64_t seq;
	unsigned int nr_calls;
	LIST_HEAD(, vmctl_call) calls;
	TAILQ_HEAD(, vmctl_call) unsent;
};

/* A new call, not sent. Return: NULL with @err. */
struct vmctl_call *vmctl_call_new(struct vmctl *v, uint32_t type,
				  unsigned int timeout_ms, struct err *err);
/* Forget one that was not sent, or was answered. */
void vmctl_call_free(struct vmctl_call *c);
/* Send all of it now, with descriptors: such a call is not queued.
 * Return: 0, or -1 with @err and the call freed. */
int vmctl_call_send(struct vmctl_call *c, const void *msg, size_t len,
		    const int *fds, size_t nfds, struct err *err);
/* Tell whoever waits that it has failed; once. */
void vmctl_call_fail(struct vmctl_call *c, const struct err *err,
		     const struct vm_status *st);
/* A CTL_LAYERED to call @c, NULL: to none. Return: false: it is no good. */
bool vmctl_layers_answer(struct vmctl_call *c, const struct ctl_layered *m);

#endif
