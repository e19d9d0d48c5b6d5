/* SPDX-License-Identifier: MIT */
/*
 * runner/vmctl.h - the runner's side of a VMM's control socket
 *
 * What runner/vmm/control.h carries, in the runner's own terms: only vmctl.c
 * includes that header.
 */
#ifndef PODFLARE_RUNNER_VMCTL_H
#define PODFLARE_RUNNER_VMCTL_H

#include "common/loop.h"

#define VM_CPUS_MAX 8
#define VM_RAM_MIN (128 * MIB)
#define VM_RAM_MAX (16 * GIB)
#define VM_RAM_UNIT (2 * MIB)
#define VM_CMDLINE_MAX 1024
#define VM_LAYERS_MAX 48

struct vm_status {
	bool configured;	/* CTL_CONFIG was carried out */
	bool paused;
	bool agent_up;
	unsigned int connections;
	uint64_t uptime_ns, agent_up_ns;
	uint64_t disk_read, disk_written;
};

enum vm_end_reason {
	VM_END_KILLED,	/* no exit record: it could not write one */
	VM_END_HOST,	/* it ended with the host: power cut, restart */
	VM_END_POWEROFF,
	VM_END_RESET,
	VM_END_QUIT,
	VM_END_FAULT,	/* the guest's or KVM's or the VMM's fault: detail */
};

struct vm_end {
	enum vm_end_reason reason;
	char detail[256];
};

struct vm_config {
	int kvm, kernel, console, exit;
	int initrds[2];
	int base;		/* /dev/vda, read-only */
	int disk[VM_LAYERS_MAX];	/* /dev/vdb: raw bottom, layers */
	int nr_disk;
	bool card;		/* of a network */
	uint64_t ram;
	unsigned int vcpus;
	uint64_t console_max;
	const char *cmdline;
	char disk_id[20];
};

enum vm_order {
	VM_STATUS, VM_PAUSE, VM_RESUME, VM_CONSOLE, VM_SYNC, VM_QUIT,
};

struct vmctl;
struct vmctl_call;

struct vmctl_ops {
	void (*agent_up)(void *arg, const struct vm_status *st);
	void (*disk_full)(void *arg);
	void (*net_wanted)(void *arg);
	/* The socket is closed or out of step; calls have failed before. No
	 * more callbacks come. @err NULL: a clean end of stream. */
	void (*closed)(void *arg, const struct err *err);
};

/* @err NULL: done. @fd: the caller's, -1 when none came. @err not NULL: failed,
 * @st may be NULL. */
typedef void (*vmctl_cb)(void *arg, const struct err *err,
			 const struct vm_status *st, int fd);

/* @sock a connected SEQPACKET socket, non-blocking, taken over. */
struct vmctl *vmctl_new(struct loop *l, int sock, const struct vmctl_ops *ops,
			void *arg, struct err *err);
/* Calls in flight get an error (unavailable) first. */
void vmctl_free(struct vmctl *v);

/* Return: the call, NULL with @err (then @cb is not called). */
struct vmctl_call *vmctl_config(struct vmctl *v, const struct vm_config *cfg,
				unsigned int timeout_ms, vmctl_cb cb, void *arg,
				struct err *err);
struct vmctl_call *vmctl_order(struct vmctl *v, enum vm_order order,
			       unsigned int timeout_ms, vmctl_cb cb, void *arg,
			       struct err *err);
/* A wire for its network card. @param wire stays the caller's */
struct vmctl_call *vmctl_net(struct vmctl *v, int wire,
			     unsigned int timeout_ms, vmctl_cb cb, void *arg,
			     struct err *err);
/* A stream to a vsock port of the guest. */
struct vmctl_call *vmctl_connect(struct vmctl *v, uint32_t port,
				 unsigned int timeout_ms, vmctl_cb cb,
				 void *arg, struct err *err);
/* Forget a call: its callback is not called, a late fd is closed. */
void vmctl_cancel(struct vmctl_call *c);

/* Read an exit record. A missing or damaged one: VM_END_KILLED. */
void vmctl_read_exit(int dirfd, const char *name, struct vm_end *end);

#endif
