/* SPDX-License-Identifier: MIT */
/*
 * runner/boot-restore.c - a VMM out of a machine's files
 *
 * podflared, loop thread.  The VMM checks the files: what is damaged, of another
 * version or of another CPU it refuses, with the reason.
 */
#include <stdio.h>

#include "runner/boot-parts.h"
#include "runner/bootargs.h"
#include "runner/vmctl-save.h"

#define READ_RATE (32 * MIB)	/* memory read in a second, by a slow disk */

static void fail(struct boot *b, const struct err *err)
{
	struct err e = *err;

	err_context(&e, "sandbox %s", b->sb->name);
	boot_end(b, &e);
}

static void resumed(void *arg, const struct err *err,
		    const struct vm_status *st, int fd)
{
	struct boot *b = arg;

	b->call = NULL;
	if (err) {
		fail(b, err);
		return;
	}
	boot_step_done(b, "resume");
	boot_say_hello(b);
}

static void restored(void *arg, const struct err *err,
		     const struct vm_status *st, int fd)
{
	struct boot *b = arg;
	struct runner *r = b->sb->runner;
	struct err e = ERR_INIT;

	b->call = NULL;
	if (err) {
		e = *err;
		if (b->plan.how == BOOT_THAW)
			err_hint(&e, "podflare thaw --boot %s gives up its "
				 "memory and boots it from its disk",
				 b->sb->name);
		fail(b, &e);
		return;
	}
	boot_step_done(b, "restore");
	if (b->plan.how == BOOT_CHECK) {
		boot_end(b, NULL);
		return;
	}
	b->configured = true;
	boot_step(b, "resume", "letting it go on");
	b->call = vmctl_order(vmproc_ctl(b->sb->vm), VM_RESUME,
			      r->boot_timeout_ms, resumed, b, &e);
	if (!b->call)
		fail(b, &e);
}

void boot_restore(struct boot *b)
{
	struct sandbox *sb = b->sb;
	struct runner *r = sb->runner;
	uint64_t reading_ms = sb->memory / (READ_RATE / 1000);
	struct err err = ERR_INIT;
	struct vm_restore files;

	boot_step(b, "vmm", "starting the virtual machine");
	/* how long that takes is known better now than at the beginning */
	loop_timer_set(&r->loop, &b->deadline, r->boot_timeout_ms + reading_ms);
	if (bootargs_open_saved(sb, &b->chain, &files, &err) < 0) {
		fail(b, &err);
		return;
	}
	sb->vm = vmproc_spawn(r, sb->id, sb->dirfd, b->vm_ops, b->vm_arg, &err);
	boot_step_done(b, "vmm");
	boot_step(b, "restore", "reading its memory");
	if (sb->vm)
		b->call = vmctl_restore(vmproc_ctl(sb->vm), &files,
					(unsigned int)(r->boot_timeout_ms +
						       reading_ms),
					restored, b, &err);
	bootargs_close_saved(&files);
	if (!b->call)
		fail(b, &err);
}
