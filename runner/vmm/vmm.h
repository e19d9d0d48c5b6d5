/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vmm.h - the whole of one podflare-vmm process
 *
 * Made of the loop, the control socket, the VM and its devices.  Everything is
 * in one struct that is allocated once, before the guest starts.
 */
#ifndef PODFLARE_VMM_VMM_H
#define PODFLARE_VMM_VMM_H

#include "runner/vmm/clone.h"
#include "runner/vmm/ctlsock.h"
#include "runner/vmm/devices.h"
#include "runner/vmm/vm.h"

#define VMM_ORPHAN_MS 60000	/* without a CTL_CONFIG for so long: give up */

/* A CTL_CONFIG that was checked, with its descriptors; what is taken out of it
 * is set to -1. */
struct vmm_config {
	const struct ctl_config *c;
	int kvm, kernel, log, exit_record;
	int initrds[CTL_MAX_INITRDS];
	int disks[CTL_MAX_DISKS * CTL_MAX_LAYERS];
};

struct vmm {
	struct loop loop;
	struct ctlsock sock;
	struct loop_watch signals;	/* signalfd: SIGTERM */
	struct loop_watch ended;	/* vm.end_fd */
	struct loop_timer orphan;
	struct loop_timer events;	/* due now: events wait to be sent */
	bool agent_up_event, disk_full_event, net_event;

	enum ctl_state state;
	uint64_t config_ns, agent_up_ns;	/* CLOCK_MONOTONIC; 0: not yet */
	struct ctl_exit exit;
	int kvm_fd, log_fd, exit_fd;
	bool vm_ready, devices_ready;
	struct vm vm;
	struct devices dev;
	struct clone_job jobs[CLONE_JOBS];	/* forks under way */
};

/* @param listen_fd the control socket, @ops what is done with its messages
 * Return: 0, or -1 with @err. */
int vmm_init(struct vmm *v, int listen_fd, const struct ctlsock_ops *ops,
	     struct err *err);
void vmm_free(struct vmm *v);

/* Build the guest and let it run. Return: 0, or -1 with @err: the VMM can only
 * be ended then. */
int vmm_configure(struct vmm *v, struct vmm_config *cfg, struct err *err);
/* Make a guest from a snapshot; it is held. @param cfg its kvm, log, exit_record
 * and disks are taken over. Return: 0, or -1 with @err, as vmm_configure(). */
struct snapshot_files;
int vmm_restore(struct vmm *v, const struct ctl_restore *c,
		struct vmm_config *cfg, const struct snapshot_files *files,
		struct err *err);
/* What devices_init() needs of the VMM; disks and sizes are the caller's. */
void vmm_devices_setup(struct vmm *v, struct devices_setup *s);
int vmm_pause(struct vmm *v, struct err *err);
/* Let it run; a held copy is given KVM objects first. Return: 0, or -1 with
 * @err: it is held still. */
int vmm_resume(struct vmm *v, struct err *err);
/* In a child of fork(2): nothing of the parent's is watched, pending or told,
 * and signals are read. Return: 0, or -1 with @err. */
int vmm_reset_loop(struct vmm *v, struct err *err);
/* End with CTL_EXIT_SETUP if no client comes within VMM_ORPHAN_MS. */
void vmm_watch_orphan(struct vmm *v);
/* Stop the vCPUs for good, write out the console, flush the disks.
 * Return: 0, or -1 with @err: what the guest had flushed is safe still. */
int vmm_quiesce(struct vmm *v, struct err *err);
/* The end: vmm_quiesce(), write the exit record, send CTL_EV_EXIT, stop the
 * loop. Once; later calls do nothing. */
void vmm_end(struct vmm *v, enum ctl_exit_reason reason, const char *detail);
void vmm_status(struct vmm *v, struct ctl_status *st);

#endif
