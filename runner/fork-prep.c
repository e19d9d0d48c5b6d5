/* SPDX-License-Identifier: MIT */
/*
 * runner/fork-prep.c - what a copy needs before there is one
 *
 * podflared, work threads, several at once: each touches its own slot.  All
 * that can be done before the source's guest stands still is done here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cowfmt.h"
#include "runner/fork-slot.h"
#include "runner/store.h"

static int open_own(struct sandbox *sb, const char *name, int flags,
		    struct err *err)
{
	int fd = openat(sb->dirfd, name,
			flags | O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, errno, "%s", name) : fd;
}

/* Files that nobody will look at are no files: making one takes longer than
 * all else here. */
static int open_nothing(struct fork_files *f, struct err *err)
{
	f->console = memfd_create("console", MFD_CLOEXEC);
	f->exit = memfd_create("exit", MFD_CLOEXEC);
	f->log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return f->console < 0 || f->exit < 0 || f->log < 0
		? err_sys(err, errno, "files of a point") : 0;
}

static int open_logs(struct sandbox *sb, struct fork_files *f, struct err *err)
{
	f->console = open_own(sb, SANDBOX_CONSOLE, 0, err);
	if (f->console < 0)
		return -1;
	if (sb->origin.forked)
		dprintf(f->console, "podflare: forked from %s (%s)\n",
			sb->origin.parent_name, sb->origin.parent);
	else
		dprintf(f->console, "podflare: a copy of the booted image %s\n",
			sb->image);
	f->exit = open_own(sb, VMPROC_EXIT_FILE, 0, err);
	if (f->exit < 0)
		return -1;
	f->log = open_own(sb, VMPROC_LOG_FILE, O_APPEND, err);
	return f->log < 0 ? -1 : 0;
}

static int open_files(struct fork_slot *s)
{
	struct sandbox *sb = s->sb;
	struct fork_files *f = &s->files;
	char socket[64];

	f->layer = chain_add(sb->dirfd, chain_next(&s->fork->chain), sb->disk,
			     &s->err);
	if (f->layer < 0 || (s->held ? open_nothing(f, &s->err)
				     : open_logs(sb, f, &s->err)) < 0)
		return -1;
	snprintf(socket, sizeof(socket), "%s.sock", sb->id);
	f->sock = path_bind_unix(sb->runner->places.vm_fd, socket,
				 SOCK_SEQPACKET, &s->err);
	return f->sock < 0 ? -1 : 0;
}

void fork_prepare_slot(struct fork_slot *s)
{
	struct sandbox *sb = s->sb;

	if (s->fork->prep_err.code || s->err.code)
		return;
	/* the chain of a view is empty: its VMM has the files, nobody else
	 * will want them */
	if (store_make(sb, &s->err) < 0 ||
	    (!s->held && store_mark(sb->runner, sb->id, &s->err) < 0) ||
	    chain_link(s->fork->source->dirfd, sb->dirfd, &s->fork->chain,
		       &s->err) < 0 ||
	    open_files(s) < 0)
		err_context(&s->err, "sandbox %s", sb->name);
}

void fork_prepare_source(struct fork *f)
{
	struct sandbox *src = f->source;

	if (sandbox_is_held(src)) {
		/* it never writes, and so will not use its new layer */
		f->top = memfd_create("layer", MFD_CLOEXEC);
		if (f->top < 0)
			err_sys(&f->prep_err, errno, "disk layer");
		else
			cow_format_init(f->top, src->disk, &f->prep_err);
		/* what is made of a template lives on without it, and without
		 * its VMM; its own layer, the top one, nobody needs */
		if (src->kind == SB_TEMPLATE && !f->prep_err.code &&
		    chain_list(src->dirfd, &f->chain, &f->prep_err) == 0 &&
		    f->chain.n)
			f->chain.n--;
		return;
	}
	if (chain_list(src->dirfd, &f->chain, &f->prep_err) < 0)
		return;
	if (f->chain.n >= CHAIN_MAX) {
		err_set(&f->prep_err, ERR_LIMIT,
			"sandbox %s: its disk has %u layers, one for each fork "
			"so far, and cannot have more", src->name, f->chain.n);
		if (f->flat_err.code)
			err_hint(&f->prep_err, "they could not be made fewer: "
				 "%.300s", f->flat_err.msg);
		err_hint(&f->prep_err, "podflare freeze %s and podflare thaw %s "
			 "make one of them", src->name, src->name);
		return;
	}
	f->top_nr = chain_next(&f->chain);
	f->top = chain_add(src->dirfd, f->top_nr, src->disk, &f->prep_err);
	if (f->top < 0)
		err_context(&f->prep_err, "sandbox %s", src->name);
}

void fork_close_files(struct fork_slot *s)
{
	int *fds[] = { &s->files.sock, &s->files.console, &s->files.exit,
		       &s->files.log, &s->files.layer };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
