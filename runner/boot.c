/* SPDX-License-Identifier: MIT */
/*
 * runner/boot.c - from a sandbox's folder to a guest that has said hello
 *
 * podflared, loop thread.  Distrusts the guest and the VMM to come up: one
 * deadline stands over the whole boot.
 *
 * Theory of operation: the steps follow each other by callbacks,
 *
 *	disk	the empty file system of that size, and a layer on it; or what
 *		the last run left of the disk is made fit for another one
 *	vmm	process, configuration
 *	kernel	until the guest's agent says that it listens
 *	agent	HELLO: entropy, clock, name; without its answer the guest is not
 *		ready, since it would share its randomness with others
 *
 * and each step's time is kept.  Only so many boots go on at once as the
 * host's CPUs can carry; the others queue, and their deadline begins with their
 * turn.
 */
#include "runner/boot.h"

#include <stdio.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "runner/agent-json.h"
#include "runner/boot-parts.h"
#include "runner/bootargs.h"
#include "runner/text.h"

#define TAIL_LINES 20
#define TAIL_BUDGET 32768

void boot_step(struct boot *b, const char *name, const char *text)
{
	b->step_began = now_ns();
	if (b->ops->progress)
		b->ops->progress(b->arg, name, text);
}

void boot_step_done(struct boot *b, const char *name)
{
	double ms = (double)(now_ns() - b->step_began) / 1e6;

	json_array_append_new(b->sb->steps,
			      json_pack("{s:s, s:f}", "name", name, "ms", ms));
}

/* Let those begin whose turn it is. */
static void admit(struct runner *r)
{
	struct boot *b;

	while (r->nr_boots < r->max_boots &&
	       (b = TAILQ_FIRST(&r->boot_queue))) {
		TAILQ_REMOVE(&r->boot_queue, b, link);
		b->admitted = true;
		r->nr_boots++;
		loop_timer_set(&r->loop, &b->deadline, r->boot_timeout_ms);
		/* not below the caller: it may be boot_start() */
		loop_timer_set(&r->loop, &b->begin, 0);
	}
}

/* Drop what is in flight and free. */
static void dissolve(struct boot *b)
{
	struct runner *r = b->sb->runner;
	struct loop *l = &r->loop;

	if (b->admitted)
		r->nr_boots--;
	else
		TAILQ_REMOVE(&r->boot_queue, b, link);
	loop_timer_cancel(l, &b->deadline);
	loop_timer_cancel(l, &b->begin);
	boot_disk_cancel(b);
	if (b->call)
		vmctl_cancel(b->call);
	if (b->hello)
		agent_cancel(b->hello);
	b->sb->boot = NULL;
	if (b->plan.from)
		sandbox_unref(b->plan.from);
	free(b);
	admit(r);
}

void boot_end(struct boot *b, const struct err *err)
{
	const struct boot_ops *ops = b->ops;
	struct sandbox *sb = b->sb;
	void *arg = b->arg;
	json_t *console = NULL;

	if (err && b->configured)
		console = text_tail_file(sb->dirfd, SANDBOX_CONSOLE,
					 TAIL_LINES, TAIL_BUDGET, TEXT_CLEAN);
	dissolve(b);
	ops->done(arg, err, console);
}

static void deadline_cb(struct loop_timer *t)
{
	struct boot *b = container_of(t, struct boot, deadline);
	struct err err = ERR_INIT;

	err_set(&err, b->configured ? ERR_GUEST : ERR_TIMEOUT,
		"sandbox %s: the guest was not ready within %u s (%s)",
		b->sb->name, b->sb->runner->boot_timeout_ms / 1000,
		b->agent_up ? "its agent does not answer"
			    : "its agent did not start");
	err_hint(&err, "PODFLARE_BOOT_TIMEOUT=SECONDS in the runner's "
		 "environment allows more");
	boot_end(b, &err);
}

static void hello_done(void *arg, const struct err *err, const uint8_t *values,
		       size_t len)
{
	struct boot *b = arg;
	struct err e = ERR_INIT;

	b->hello = NULL;
	if (err)
		e = *err;
	else
		agent_check_hello(values, len, &e);
	if (e.code) {
		err_context(&e, "sandbox %s", b->sb->name);
		boot_end(b, &e);
		return;
	}
	boot_step_done(b, "agent");
	boot_end(b, NULL);
}

static enum hello_kind kind_of_hello(const struct boot *b)
{
	if (!b->plan.from)	/* not even a copy of a disk */
		return HELLO_SAME;
	return b->sb->kind == SB_VIEW ? HELLO_VIEW : HELLO_COPY;
}

void boot_say_hello(struct boot *b)
{
	struct runner *r = b->sb->runner;
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	boot_step(b, "agent", "setting clock and entropy");
	if (agent_put_hello(&payload, b->sb->name, kind_of_hello(b), &err) == 0)
		b->hello = agent_call(&r->loop, vmproc_ctl(b->sb->vm),
				      AGENT_HELLO, &payload,
				      r->boot_timeout_ms, hello_done, b, &err);
	if (!b->hello)
		boot_end(b, &err);
}

static void kernel_up(struct boot *b)
{
	boot_step_done(b, "kernel");
	boot_say_hello(b);
}

void boot_agent_up(struct boot *b)
{
	if (b->agent_up || b->plan.how != BOOT_COLD)
		return;
	b->agent_up = true;
	/* the event may overtake the answer to the configuration */
	if (!b->call)
		kernel_up(b);
}

static void config_done(void *arg, const struct err *err,
			const struct vm_status *st, int fd)
{
	struct boot *b = arg;
	struct err e;

	b->call = NULL;
	if (err) {
		e = *err;
		err_context(&e, "sandbox %s", b->sb->name);
		boot_end(b, &e);
		return;
	}
	b->configured = true;
	boot_step_done(b, "vmm");
	boot_step(b, "kernel", "booting the kernel");
	if (b->agent_up)
		kernel_up(b);
}

static void configure(struct boot *b)
{
	struct sandbox *sb = b->sb;
	struct err err = ERR_INIT;
	struct bootargs args;

	boot_step(b, "vmm", "starting the virtual machine");
	if (bootargs_open(sb, &b->chain, &args, &err) < 0)
		goto fail;
	sb->vm = vmproc_spawn(sb->runner, sb->id, sb->dirfd, b->vm_ops,
			      b->vm_arg, &err);
	if (sb->vm)
		b->call = vmctl_config(vmproc_ctl(sb->vm), &args.cfg,
					 sb->runner->boot_timeout_ms,
					 config_done, b, &err);
	bootargs_close(&args);
	if (b->call)
		return;
fail:
	err_context(&err, "sandbox %s", sb->name);
	boot_end(b, &err);
}

void boot_disk_ready(struct boot *b)
{
	if (b->plan.how == BOOT_COLD)
		configure(b);
	else
		boot_restore(b);
}

void boot_vm_gone(struct boot *b, const struct vm_end *gone)
{
	static const char *const why[] = {
		[VM_END_KILLED] = "the VMM was killed",
		[VM_END_HOST] = "the host was restarted",
		[VM_END_POWEROFF] = "the guest powered off",
		[VM_END_RESET] = "the guest's kernel panicked or reset",
		[VM_END_QUIT] = "the VMM was asked to end",
		[VM_END_FAULT] = "the VMM gave up",
	};
	struct err err = ERR_INIT;

	err_set(&err, ERR_GUEST, "sandbox %s: %s: %s%s%s", b->sb->name,
		b->plan.how == BOOT_COLD ? "boot failed"
					 : "it could not go on",
		why[gone->reason], gone->detail[0] ? ": " : "",
		gone->detail);
	boot_end(b, &err);
}

static void begin(struct loop_timer *t)
{
	boot_disk_begin(container_of(t, struct boot, begin));
}

int boot_start(struct sandbox *sb, const struct boot_plan *plan,
	       const struct vmproc_ops *vm_ops, void *vm_arg,
	       const struct boot_ops *ops, void *arg, struct err *err)
{
	struct boot *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(err, ERR_NO_MEMORY, "boot");
	b->sb = sb;
	b->plan = *plan;
	b->vm_ops = vm_ops;
	b->vm_arg = vm_arg;
	b->ops = ops;
	b->arg = arg;
	b->deadline.cb = deadline_cb;
	b->begin.cb = begin;
	if (b->plan.from)
		sandbox_ref(b->plan.from);
	sb->boot = b;
	sb->reason[0] = '\0';
	json_array_clear(sb->steps);
	TAILQ_INSERT_TAIL(&sb->runner->boot_queue, b, link);
	admit(sb->runner);
	if (!b->admitted)
		boot_step(b, "wait", "waiting for other boots");
	return 0;
}

void boot_abort(struct boot *b, const struct err *err)
{
	b->configured = false;	/* the console is not to blame */
	boot_end(b, err);
}

void boot_cancel(struct sandbox *sb)
{
	if (sb->boot)
		dissolve(sb->boot);
}
