/* SPDX-License-Identifier: MIT */
/*
 * runner/boot-disk.c - the disk of a sandbox that is about to start
 *
 * podflared, loop thread; layers are made and checked by work threads.
 *
 * Theory of operation: a machine that goes on from its files gets a fresh layer
 * on top of what it had, so that what it writes can be dropped and it be started
 * from the same files again, until it is known to run.
 */
#include <errno.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runner/boot-parts.h"
#include "runner/saved.h"

struct layer_job {
	struct work_job job;
	struct boot *boot;	/* NULL: cancelled */
	struct sandbox *sb;
	struct sandbox *from;	/* whose files are taken, NULL: it has its own */
	bool saved;	/* a machine in files */
	bool fresh;	/* a new disk */
	unsigned int top;	/* of @saved: its highest layer */
	struct chain chain;
	struct err err;
};

/* The files of @from, for a folder that has none. Return: 0, or -1. */
static int take_files(struct layer_job *l)
{
	struct chain c;

	if ((l->saved &&
	     saved_link(l->from->dirfd, l->sb->dirfd, &l->err) < 0) ||
	    chain_list(l->from->dirfd, &c, &l->err) < 0)
		return -1;
	return chain_link(l->from->dirfd, l->sb->dirfd, &c, &l->err);
}

/* Work thread. */
static void layer_run(struct work_job *j)
{
	struct layer_job *l = container_of(j, struct layer_job, job);
	CLEANUP_FD int fd = -1;

	if (l->from && take_files(l) < 0)
		return;
	if (l->saved) {
		chain_thaw(l->sb->dirfd, l->sb->disk, l->top, &l->chain,
			   &l->err);
		return;
	}
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
			boot_end(b, &l->err);
		} else {
			b->chain = l->chain;
			boot_step_done(b, "disk");
			boot_disk_ready(b);
		}
	}
	if (l->from)
		sandbox_unref(l->from);
	sandbox_unref(l->sb);
	free(l);
}

static void make_layer(struct boot *b, bool fresh)
{
	struct layer_job *l = calloc(1, sizeof(*l));
	struct err err = ERR_INIT;

	if (!l) {
		err_set(&err, ERR_NO_MEMORY, "disk");
		boot_end(b, &err);
		return;
	}
	l->job.run = layer_run;
	l->job.done = layer_done;
	l->boot = b;
	l->fresh = fresh;
	l->sb = sandbox_ref(b->sb);
	l->from = b->plan.from ? sandbox_ref(b->plan.from) : NULL;
	l->saved = b->plan.how != BOOT_COLD;
	l->top = b->sb->top;
	b->layer = l;
	work_submit(&b->sb->runner->work, l->saved ? WORK_FORK : WORK_META,
		    &l->job);
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
		boot_end(b, &e);
		return;
	}
	make_layer(b, true);
}

void boot_disk_begin(struct boot *b)
{
	struct runner *r = b->sb->runner;
	struct err err = ERR_INIT;

	if (b->sb->disk_base[0]) {
		boot_step(b, "disk", "checking the disk");
		make_layer(b, false);
		return;
	}
	boot_step(b, "disk", "making the disk");
	if (disk_base_find(r, b->sb->disk, b->sb->disk_base) == 0) {
		make_layer(b, true);
		return;
	}
	b->disk = disk_base_make(r, b->sb->disk, base_made, b, &err);
	if (!b->disk)
		boot_end(b, &err);
}

void boot_disk_cancel(struct boot *b)
{
	if (b->disk)
		disk_wait_cancel(b->disk);
	if (b->layer)
		b->layer->boot = NULL;
}
