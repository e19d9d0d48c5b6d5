/* SPDX-License-Identifier: MIT */
/*
 * runner/bootargs.c - what a VMM is given to start a sandbox
 *
 * podflared, loop thread.  The files are the store's and the sandbox's own; the
 * one text that an image puts on the command line was checked when the image
 * was read (base_type).
 */
#include "runner/bootargs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runner/kvm.h"
#include "runner/saved.h"

#define CONSOLE_MAX MIB	/* bytes kept of a console */

/*
 * console=ttyS0	the log that is shown when a boot fails
 * quiet loglevel=4	warnings and worse: each byte is an exit
 * panic=-1		a panic ends the VM at once
 * random.trust_cpu=on	do not wait for entropy; HELLO brings the host's
 * cryptomgr.notests	two thirds of a boot's instructions (docs/decisions.md)
 * 8250.nr_uarts=1	one port is there, probe no others
 * audit=0		nobody reads it
 */
static const char cmdline_base[] =
	"console=ttyS0 quiet loglevel=4 panic=-1 random.trust_cpu=on "
	"cryptomgr.notests 8250.nr_uarts=1 audit=0";

static int open_init(struct err *err)
{
	CLEANUP_FREE char *path = path_program("init.cpio", err);
	int fd;

	if (!path)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "%s", path) : fd;
}

static int open_own(struct sandbox *sb, const char *name, int flags,
		    struct err *err)
{
	int fd = openat(sb->dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, errno, "%s", name) : fd;
}

static int open_image(struct sandbox *sb, struct bootargs *a, struct err *err)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };
	struct runner *r = sb->runner;
	struct vm_config *c = &a->cfg;

	if (image_find(r, sb->digest, &img, err) < 0)
		return -1;
	snprintf(sb->kernel, sizeof(sb->kernel), "%s", img.kernel);
	snprintf(a->cmdline, sizeof(a->cmdline), "%s podflare.base=%s",
		 cmdline_base, img.base_type);
	c->kernel = image_open(r, &img, image_has(&img, "vmlinux")
			       ? "vmlinux" : "vmlinuz", err);
	c->initrds[0] = c->kernel < 0 ? -1 :
		image_open(r, &img, "modules.cpio", err);
	c->base = c->initrds[0] < 0 ? -1 : image_open(r, &img, "base.img", err);
	return c->base < 0 ? -1 : 0;
}

/* The console's log begins with what is booted: a quiet kernel says nothing. */
static int open_console(struct sandbox *sb, struct err *err)
{
	int fd = open_own(sb, SANDBOX_CONSOLE, O_RDWR | O_CREAT | O_TRUNC, err);

	if (fd >= 0)
		dprintf(fd, "podflare: booting Linux %s, %u CPU%s, %llu MiB\n",
			sb->kernel, sb->cpus, sb->cpus == 1 ? "" : "s",
			(unsigned long long)(sb->memory / MIB));
	return fd;
}

static int open_disk(struct sandbox *sb, const struct chain *chain, int *disk,
		     int *n, struct err *err)
{
	disk[0] = disk_base_open(sb->runner, sb->disk_base, err);
	if (disk[0] < 0)
		return -1;
	*n = 1;
	for (unsigned int i = 0; i < chain->n; i++) {
		char name[CHAIN_NAME];

		chain_name(name, chain->nr[i]);
		disk[*n] = open_own(sb, name, O_RDWR, err);
		if (disk[*n] < 0)
			return -1;
		++*n;
	}
	return 0;
}

static int open_all(struct sandbox *sb, struct bootargs *a, struct err *err)
{
	struct vm_config *c = &a->cfg;

	if ((c->kvm = kvm_open(err)) < 0 || open_image(sb, a, err) < 0 ||
	    (c->initrds[1] = open_init(err)) < 0)
		return -1;
	if (open_disk(sb, &a->chain, c->disk, &c->nr_disk, err) < 0)
		return -1;
	c->console = open_console(sb, err);
	if (c->console < 0)
		return -1;
	c->exit = open_own(sb, VMPROC_EXIT_FILE, O_RDWR | O_CREAT | O_TRUNC,
			   err);
	return c->exit < 0 ? -1 : 0;
}

int bootargs_open(struct sandbox *sb, const struct chain *chain,
		  struct bootargs *args, struct err *err)
{
	struct vm_config *c = &args->cfg;

	args->chain = *chain;
	*c = (struct vm_config){
		.kvm = -1, .kernel = -1, .console = -1, .exit = -1,
		.initrds = { -1, -1 }, .base = -1, .ram = sb->memory,
		.vcpus = sb->cpus, .card = sb->card, .console_max = CONSOLE_MAX,
		.cmdline = args->cmdline,
	};
	for (size_t i = 0; i < ARRAY_SIZE(c->disk); i++)
		c->disk[i] = -1;
	snprintf(c->disk_id, sizeof(c->disk_id), "disk-%s", sb->id);
	if (open_all(sb, args, err) == 0)
		return 0;
	bootargs_close(args);
	return -1;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void bootargs_close(struct bootargs *args)
{
	struct vm_config *c = &args->cfg;
	const int fds[] = { c->kvm, c->kernel, c->console, c->exit,
			    c->initrds[0], c->initrds[1], c->base };

	close_all(fds, ARRAY_SIZE(fds));
	close_all(c->disk, ARRAY_SIZE(c->disk));
}

static int open_base(struct sandbox *sb, struct err *err)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };

	if (image_find(sb->runner, sb->digest, &img, err) < 0) {
		err_context(err, "its image %s", sb->image);
		return -1;
	}
	return image_open(sb->runner, &img, "base.img", err);
}

static int open_saved(struct sandbox *sb, const struct chain *chain,
		      struct vm_restore *r, struct err *err)
{
	struct saved_files f;

	if ((r->kvm = kvm_open(err)) < 0 ||
	    saved_open(sb->dirfd, &f, err) < 0)
		return -1;
	r->state = f.state;
	r->memory = f.memory;
	r->template = f.template;
	if ((r->base = open_base(sb, err)) < 0 ||
	    open_disk(sb, chain, r->disk, &r->nr_disk, err) < 0)
		return -1;
	/* the log goes on */
	r->console = open_own(sb, SANDBOX_CONSOLE, O_RDWR | O_CREAT, err);
	if (r->console < 0)
		return -1;
	if (lseek(r->console, 0, SEEK_END) == 0)
		dprintf(r->console, "podflare: a copy of snapshot %s (%s)\n",
			sb->origin.parent_name, sb->origin.parent);
	r->exit = open_own(sb, VMPROC_EXIT_FILE, O_RDWR | O_CREAT | O_TRUNC,
			   err);
	return r->exit < 0 ? -1 : 0;
}

int bootargs_open_saved(struct sandbox *sb, const struct chain *chain,
			struct vm_restore *r, struct err *err)
{
	*r = (struct vm_restore){
		.kvm = -1, .console = -1, .exit = -1, .state = -1, .memory = -1,
		.template = -1, .base = -1, .console_max = CONSOLE_MAX,
	};
	for (size_t i = 0; i < ARRAY_SIZE(r->disk); i++)
		r->disk[i] = -1;
	snprintf(r->disk_id, sizeof(r->disk_id), "disk-%s", sb->id);
	if (open_saved(sb, chain, r, err) == 0)
		return 0;
	bootargs_close_saved(r);
	return -1;
}

void bootargs_close_saved(struct vm_restore *r)
{
	const int fds[] = { r->kvm, r->console, r->exit, r->state, r->memory,
			    r->template, r->base };

	close_all(fds, ARRAY_SIZE(fds));
	close_all(r->disk, ARRAY_SIZE(r->disk));
}
