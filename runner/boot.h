/* SPDX-License-Identifier: MIT */
/*
 * runner/boot.h - from a sandbox's folder to a guest that has said hello
 *
 * Used for a new sandbox (its disk is made first), for a stopped one, for one
 * whose memory is in files, and for a new one out of such files.
 */
#ifndef PODFLARE_RUNNER_BOOT_H
#define PODFLARE_RUNNER_BOOT_H

#include "runner/sandbox.h"

enum boot_how {
	BOOT_COLD,	/* the kernel boots */
	BOOT_THAW,	/* the machine goes on from its files */
	BOOT_COPY,	/* the same, as another machine than it was */
	BOOT_CHECK,	/* it only shows that it could: it is held */
};

struct boot_plan {
	enum boot_how how;
	struct sandbox *from;	/* whose files are taken; with BOOT_COLD the
				 * disk's. NULL: it has its own */
};

struct boot_ops {
	/* A step begins; may be NULL. */
	void (*progress)(void *arg, const char *step, const char *text);
	/* @err NULL: the guest is ready. Else the VM may live still: it is the
	 * caller's to end. @console: the console's tail or NULL, the callee's.
	 * The boot is freed after the call. */
	void (*done)(void *arg, const struct err *err, json_t *console);
};

/* Begin. The sandbox's boot and vm members are set here; steps are collected in
 * its `steps`. @vm_ops and @vm_arg are the VM's. Return: 0, or -1 with @err
 * (then done() is not called). */
int boot_start(struct sandbox *sb, const struct boot_plan *plan,
	       const struct vmproc_ops *vm_ops, void *vm_arg,
	       const struct boot_ops *ops, void *arg, struct err *err);
/* Forget it: done() is not called. The VM is not touched. */
void boot_cancel(struct sandbox *sb);
/* End it with an error: done() is called. */
void boot_abort(struct boot *b, const struct err *err);
/* To be called from the VM's callbacks while sb->boot is set. */
void boot_agent_up(struct boot *b);
void boot_vm_gone(struct boot *b, const struct vm_end *end);

#endif
