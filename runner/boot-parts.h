/* SPDX-License-Identifier: MIT */
/* runner/boot-parts.h - a boot and its steps (boot*.c only) */
#ifndef PODFLARE_RUNNER_BOOT_PARTS_H
#define PODFLARE_RUNNER_BOOT_PARTS_H

#include "runner/agent.h"
#include "runner/boot.h"
#include "runner/chain.h"
#include "runner/disk.h"

struct boot {
	struct sandbox *sb;
	struct boot_plan plan;
	TAILQ_ENTRY(boot) link;	/* in the queue, until it is admitted */
	bool admitted;
	const struct vmproc_ops *vm_ops;
	void *vm_arg;
	const struct boot_ops *ops;
	void *arg;
	uint64_t step_began;
	struct loop_timer deadline;
	struct loop_timer begin;
	struct disk_wait *disk;
	struct layer_job *layer;
	struct chain chain;
	struct vmctl_call *call;	/* configure, restore, resume */
	struct agent_op *hello;
	bool configured;
	bool agent_up;
};

/* boot.c: */
void boot_step(struct boot *b, const char *name, const char *text);
void boot_step_done(struct boot *b, const char *name);
/* Free it and call done(). @err NULL: the guest is ready. */
void boot_end(struct boot *b, const struct err *err);
/* The disk's layers are in b->chain. */
void boot_disk_ready(struct boot *b);
/* The guest runs, and listens. */
void boot_say_hello(struct boot *b);

/* boot-disk.c: */
void boot_disk_begin(struct boot *b);
void boot_disk_cancel(struct boot *b);

/* boot-restore.c: give a VMM the machine's files, let it go on. */
void boot_restore(struct boot *b);

#endif
