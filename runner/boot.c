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

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "runner/agent-json.h"
#include "runner/agent.h"
#include "runner/bootargs.h"
#include "runner/chain.h"
#include "runner/disk.h"
#include "runner/text.h"

#define TAIL_LINES 20
#define TAIL_BUDGET 32768

struct boot {
	struct sandbox *sb;
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
	struct vmctl_call *config;
	struct agent_op *hello;
	bool configured;
	bool agent_up;
};

/* Layers are made and checked by a work thread. */
struct layer_job {
	struct work_job job;
	struct boot *boot;	/* NULL: cancelled */
	struct sandbox *sb;
	bool fresh;	/* a new disk */
	struct chain chain;
	struct err err;
};

static void step(struct boot *b, const char *name, const char *text)
{
	b->step_began = now_ns();
	if (b->ops->progress)
		b->ops->progress(b->arg, name, text);
}

static void step_done(struct boot *b, const char *name)
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
	if (b->disk)
		disk_wait_cancel(b->disk);
	if (b->layer)
		b->layer->boot = NULL;
	if (b->config)
		vmctl_cancel(b->config);
	if (b->hello)
		agent_cancel(b->hello);
	b->sb->boot = NULL;
	free(b);
	admit(r);
}

static void end(struct boot *b, const struct err *err)
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
	end(b, &err);
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
		end(b, &e);
		return;
	}
	step_done(b, "agent");
	end(b, NULL);
}

static void say_hello(struct boot *b)
{
	struct runner *r = b->sb->runner;
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	step_done(b, "kernel");
	step(b, "agent", "setting clock and entropy");
	if (agent_put_hello(&payload, b->sb->name, false, &err) == 0)
		b->hello = agent_call(&r->loop, vmproc_ctl(b->sb->vm),
				      AGENT_HELLO, &payload,
				      r->boot_timeout_ms, hello_done, b, &err);
	if (!b->hello)
		end(b, &err);
}

void boot_agent_up(struct boot *b)
{
	if (b->agent_up)
		return;
	b->agent_up = true;
	/* the event may overtake the answer to the configuration */
	if (!b->config)
		say_hello(b);
}

static void config_done(void *arg, const struct err *err,
			const struct vm_status *st, int fd)
{
	struct boot *b = arg;
	struct err e;

	b->config = NULL;
	if (err) {
		e = *err;
		err_context(&e, "sandbox %s", b->sb->name);
		end(b, &e);
		return;
	}
	b->configured = true;
	step_done(b, "vmm");
	step(b, "kernel", "booting the kernel");
	if (b->agent_up)
		say_hello(b);
}

static void start_vm(struct boot *b)
{
	struct sandbox *sb = b->sb;
	struct err err = ERR_INIT;
	struct bootargs args;

	step(b, "vmm", "starting the virtual machine");
	if (bootargs_open(sb, &b->chain, &args, &err) < 0)
		goto fail;
	sb->vm = vmproc_spawn(sb->runner, sb->id, sb->dirfd, b->vm_ops,
			      b->vm_arg, &err);
	if (sb->vm)
		b->config = vmctl_config(vmproc_ctl(sb->vm), &args.cfg,
					 sb->runner->boot_timeout_ms,
					 config_done, b, &err);
	bootargs_close(&args);
	if (b->config)
		return;
fail:
	err_context(&err, "sandbox %s", sb->name);
	end(b, &err);
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

	err_set(&err, ERR_GUEST, "sandbox %s: boot failed: %s%s%s",
		b->sb->name, why[gone->reason], gone->detail[0] ? ": " : "",
		gone->detail);
	end(b, &err);
}

/* Work thread. */
static void layer_run(struct work_job *j)
{
	struct layer_job *l = container_of(j, struct layer_job, job);
	CLEANUP_FD int fd = -1;

	if (!l->fresh) {
		chain_settle(l->sb->dirfd, l->sb->disk, &l->chain, &l->err);
		return;
	}
	fd = chain_add(l->sb->dirfd, 0, l->sb->disk, &l->err);
	if (fd >= 0 && fsync(fd) < 0)
		err_sys(&l->err, errno, "disk layer");
	l->chain.n = 1;
}

static void layer_done(struct work_job *j)
{
	struct layer_job *l = container_of(j, struct layer_job, job);
	struct boot *b = l->boot;

	if (b) {
		b->layer = NULL;
		if (l->err.code) {
			err_context(&l->err, "sandbox %s", b->sb->name);
			end(b, &l->err);
		} else {
			b->chain = l->chain;
			step_done(b, "disk");
			start_vm(b);
		}
	}
	sandbox_unref(l->sb);
	free(l);
}

static void make_layer(struct boot *b, bool fresh)
{
	struct layer_job *l = calloc(1, sizeof(*l));
	struct err err = ERR_INIT;

	if (!l) {
		err_set(&err, ERR_NO_MEMORY, "disk");
		end(b, &err);
		return;
	}
	l->job.run = layer_run;
	l->job.done = layer_done;
	l->boot = b;
	l->fresh = fresh;
	l->sb = sandbox_ref(b->sb);
	b->layer = l;
	work_submit(&b->sb->runner->work, WORK_META, &l->job);
}

static void base_made(void *arg, const struct err *err)
{
	struct boot *b = arg;
	struct err e = ERR_INIT;

	b->disk = NULL;
	if (err)
		e = *err;
	else if (disk_base_find(b->sb->runner, b->sb->disk,
				b->sb->disk_base) < 0)
		err_set(&e, ERR_IO, "the new disk's base file vanished");
	if (e.code) {
		err_context(&e, "sandbox %s", b->sb->name);
		end(b, &e);
		return;
	}
	make_layer(b, true);
}

static void begin(struct loop_timer *t)
{
	struct boot *b = container_of(t, struct boot, begin);
	struct runner *r = b->sb->runner;
	struct err err = ERR_INIT;

	if (b->sb->disk_base[0]) {
		step(b, "disk", "checking the disk");
		make_layer(b, false);
		return;
	}
	step(b, "disk", "making the disk");
	if (disk_base_find(r, b->sb->disk, b->sb->disk_base) == 0) {
		make_layer(b, true);
		return;
	}
	b->disk = disk_base_make(r, b->sb->disk, base_made, b, &err);
	if (!b->disk)
		end(b, &err);
}

int boot_start(struct sandbox *sb, const struct vmproc_ops *vm_ops,
	       void *vm_arg, const struct boot_ops *ops, void *arg,
	       struct err *err)
{
	struct boot *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(err, ERR_NO_MEMORY, "boot");
	b->sb = sb;
	b->vm_ops = vm_ops;
	b->vm_arg = vm_arg;
	b->ops = ops;
	b->arg = arg;
	b->deadline.cb = deadline_cb;
	b->begin.cb = begin;
	sb->boot = b;
	sb->reason[0] = '\0';
	json_array_clear(sb->steps);
	TAILQ_INSERT_TAIL(&sb->runner->boot_queue, b, link);
	admit(sb->runner);
	if (!b->admitted)
		step(b, "wait", "waiting for other boots");
	return 0;
}

void boot_abort(struct boot *b, const struct err *err)
{
	b->configured = false;	/* the console is not to blame */
	end(b, err);
}

void boot_cancel(struct sandbox *sb)
{
	if (sb->boot)
		dissolve(sb->boot);
}
