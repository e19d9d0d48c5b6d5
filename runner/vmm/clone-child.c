/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/clone-child.c - a live fork, in the children
 *
 * Runs in podflare-vmm on the main thread of a process that has just been made;
 * clone.c has the theory.  Distrusts nobody new: the guest was stopped, and what
 * the client passed is used as it was in the parent.
 */
#include "runner/vmm/clone-child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/vmm/exitrec.h"

static const int *child_fds(const struct clone_plan *p, unsigned int child)
{
	return p->fds + child * (CLONE_CHILD_FDS + p->nr_tops);
}

/* Close all descriptors but these. */
static int keep_only(int *keep, size_t n)
{
	unsigned int from = 3;

	for (size_t i = 1; i < n; i++)	/* few, and nearly sorted */
		for (size_t j = i; j > 0 && keep[j - 1] > keep[j]; j--) {
			int t = keep[j];

			keep[j] = keep[j - 1];
			keep[j - 1] = t;
		}
	for (size_t i = 0; i < n; i++) {
		unsigned int fd = (unsigned int)keep[i];

		if (keep[i] < (int)from)
			continue;
		if (fd > from && close_range(from, fd - 1, 0) < 0)
			return -1;
		from = fd + 1;
	}
	return close_range(from, ~0u, 0);
}

static int close_inherited(struct vmm *v, const struct clone_plan *p, const int *own)
{
	int keep[8 + DEVICES_KEPT_FDS + CTL_MAX_DISKS];
	size_t n = 0;

	keep[n++] = v->loop.epfd;
	keep[n++] = v->signals.fd;
	keep[n++] = v->kvm_fd;
	keep[n++] = p->pipe[1];
	for (unsigned int i = 0; i < CLONE_CHILD_FDS + p->nr_tops; i++)
		if (i != CLONE_FD_LOG)	/* that is stderr now */
			keep[n++] = own[i];
	n += devices_kept_fds(&v->dev, keep + n);
	return keep_only(keep, n);
}

static int take_own(struct vmm *v, const struct clone_plan *p, int *own,
		    struct err *err)
{
	struct device_tops tops;

	v->log_fd = own[CLONE_FD_CONSOLE];
	v->exit_fd = own[CLONE_FD_EXIT];
	if (exitrec_watch_crash(v->exit_fd) < 0)
		return err_sys(err, errno, "signals");
	if (devices_load_tops(&v->dev, own + CLONE_FD_LAYERS, &tops, err) < 0)
		return -1;
	devices_push_tops(&v->dev, &tops, p->kept, true);
	return ctlsock_reopen(&v->sock, own[CLONE_FD_SOCKET], err);
}

/* Become the VMM of child @index. Return: 0, or -1 with @err. */
static int become(struct vmm *v, const struct clone_plan *p, unsigned int index,
		  struct err *err)
{
	int own[CLONE_CHILD_FDS + CTL_MAX_DISKS];

	memcpy(own, child_fds(p, index),
	       (CLONE_CHILD_FDS + p->nr_tops) * sizeof(own[0]));
	/* from here on what goes wrong is in the child's own log */
	if (dup3(own[CLONE_FD_LOG], STDERR_FILENO, 0) < 0)
		return err_sys(err, errno, "log");
	if (vmm_reset_loop(v, err) < 0)
		return -1;
	vm_forget_kvm(&v->vm);
	if (devices_forget(&v->dev, own[CLONE_FD_CONSOLE], err) < 0)
		return -1;
	clone_init(v);
	/* what is left: the parent's files, its siblings', its client */
	if (close_inherited(v, p, own) < 0)
		return err_sys(err, errno, "close what is the parent's");
	if (take_own(v, p, own, err) < 0)
		return -1;
	v->exit = (struct ctl_exit){ 0 };
	v->config_ns = now_ns();
	if (v->agent_up_ns)
		v->agent_up_ns = v->config_ns;
	v->state = CTL_STATE_HELD;
	vmm_watch_orphan(v);
	if (p->f->flags[index] & CTL_FORK_HOLD)
		return 0;
	return vmm_resume(v, err);
}

static void report(const struct clone_plan *p, unsigned int index,
		   const struct err *err)
{
	struct clone_report r = { .index = index, .pid = (uint32_t)getpid() };

	if (err->code) {
		r.error = err->sys ? err->sys : EIO;
		snprintf(r.detail, sizeof(r.detail), "%.199s", err->msg);
	}
	if (write(p->pipe[1], &r, sizeof(r)) == (ssize_t)sizeof(r))
		return;
	/* the parent has died, so nobody will ever know of this one */
	log_error("nobody waits for this copy: %s", strerror(errno));
	_exit(1);
}

void clone_child(struct vmm *v, const struct clone_plan *p)
{
	unsigned int index = 0;
	struct err err = ERR_INIT;

	exitrec_watch_crash(-1);	/* the record is the parent's */
	for (unsigned int i = 1; i < p->f->n && index == 0; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			index = i;
		} else if (pid < 0) {
			err_sys(&err, errno, "fork");
			report(p, i, &err);
			err = (struct err)ERR_INIT;
		}
	}
	if (become(v, p, index, &err) < 0) {
		report(p, index, &err);
		log_error("%s", err.msg);
		_exit(1);
	}
	report(p, index, &err);
	close(p->pipe[1]);
}
