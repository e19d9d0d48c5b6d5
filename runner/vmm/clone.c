/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/clone.c - a live fork: this VMM becomes several
 *
 * Runs in podflare-vmm on the main thread.  Distrusts the client for form; a
 * child that cannot be made is one result among the others.
 *
 * Theory of operation: the guest's RAM and the devices' state are memory of this
 * process, so fork(2) copies them, on write and for nothing.  What is not memory
 * is read into it before (vm_save()) or made anew after: KVM's objects belong to
 * one address space, eventfds, epoll and threads to one process.
 *
 *	parent		pause, save, freeze the disks' tops, fork(2) once, put
 *			fresh layers on the tops, go on
 *	first child	fork(2) once for each further child, then as they do
 *	each child	forget what is the parent's, close every descriptor that
 *			is not its own, take its layers, listen; build the VM
 *			and let it run, or (CTL_FORK_HOLD) leave it at that
 *
 * The parent stands still for one fork(2), however many children there are.
 * Children report by a pipe; its end stands for those that died.  The child
 * returns from here into the loop as the VMM that it now is.
 *
 * Copies of a copy: what is held has its state saved in memory already.
 */
#include "runner/vmm/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/vmm/exitrec.h"
#include "runner/vmm/vmm.h"

/* The descriptors of a child, in the order of struct ctl_fork. */
enum { OWN_SOCKET, OWN_CONSOLE, OWN_EXIT, OWN_LOG, OWN_LAYERS };

#define CHILD_FDS OWN_LAYERS	/* and the layers */

/* What a child tells. Below PIPE_BUF, so written and read whole. */
struct report {
	uint32_t index;
	uint32_t pid;
	int32_t error;
	char detail[200];
};

/* The request, taken apart. */
struct plan {
	const struct ctl_fork *f;
	unsigned int nr_tops;
	const int *fds;		/* of all children, after the parent's tops */
	uint32_t kept;
	int pipe[2];
};

static const int *child_fds(const struct plan *p, unsigned int child)
{
	return p->fds + child * (CHILD_FDS + p->nr_tops);
}

void clone_init(struct vmm *v)
{
	for (unsigned int i = 0; i < CLONE_JOBS; i++)
		v->jobs[i] = (struct clone_job){
			.results = { .fd = -1 }, .vmm = v,
		};
}

void clone_mute(struct vmm *v)
{
	for (unsigned int i = 0; i < CLONE_JOBS; i++)
		v->jobs[i].mute = true;
}

/* ---- parent ---- */

static void answer(struct clone_job *job)
{
	struct ctl_forked *a = &job->answer;
	int fd = job->results.fd;

	for (uint32_t i = 0; i < a->n; i++) {
		if (job->told >> i & 1)
			continue;
		a->error[i] = ECHILD;
		if (!a->detail[0])
			snprintf(a->detail, sizeof(a->detail),
				 "child %u died before it was made", i + 1);
	}
	loop_del(&job->vmm->loop, &job->results);
	close(fd);
	if (!job->mute)
		ctlsock_send(&job->vmm->sock, a, sizeof(*a), NULL, 0);
}

static void on_report(struct loop_watch *w, uint32_t events)
{
	struct clone_job *job = container_of(w, struct clone_job, results);
	struct ctl_forked *a = &job->answer;
	struct report r;
	ssize_t n = read(w->fd, &r, sizeof(r));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(r) || r.index >= a->n) {
		answer(job);	/* the end: nobody is left who could tell */
		return;
	}
	job->told |= 1ULL << r.index;
	a->error[r.index] = r.error;
	a->pid[r.index] = r.error ? 0 : r.pid;
	if (r.error && !a->detail[0])
		snprintf(a->detail, sizeof(a->detail), "child %u: %.*s",
			 r.index + 1, (int)sizeof(r.detail) - 1, r.detail);
	if (job->told == (a->n == 64 ? ~0ULL : (1ULL << a->n) - 1))
		answer(job);
}

static struct clone_job *free_job(struct vmm *v)
{
	for (unsigned int i = 0; i < CLONE_JOBS; i++)
		if (v->jobs[i].results.fd < 0)
			return &v->jobs[i];
	return NULL;
}

/* ---- child ---- */

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

static int close_inherited(struct vmm *v, const struct plan *p, const int *own)
{
	int keep[8 + DEVICES_KEPT_FDS + CTL_MAX_DISKS];
	size_t n = 0;

	keep[n++] = v->loop.epfd;
	keep[n++] = v->signals.fd;
	keep[n++] = v->kvm_fd;
	keep[n++] = p->pipe[1];
	for (unsigned int i = 0; i < CHILD_FDS + p->nr_tops; i++)
		if (i != OWN_LOG)	/* that is stderr now */
			keep[n++] = own[i];
	n += devices_kept_fds(&v->dev, keep + n);
	return keep_only(keep, n);
}

static int take_own(struct vmm *v, const struct plan *p, int *own,
		    struct err *err)
{
	struct device_tops tops;

	v->log_fd = own[OWN_CONSOLE];
	v->exit_fd = own[OWN_EXIT];
	if (exitrec_watch_crash(v->exit_fd) < 0)
		return err_sys(err, errno, "signals");
	if (devices_load_tops(&v->dev, own + OWN_LAYERS, &tops, err) < 0)
		return -1;
	devices_push_tops(&v->dev, &tops, p->kept, true);
	return ctlsock_reopen(&v->sock, own[OWN_SOCKET], err);
}

/* Become the VMM of child @index. Return: 0, or -1 with @err. */
static int become(struct vmm *v, const struct plan *p, unsigned int index,
		  struct err *err)
{
	int own[CHILD_FDS + CTL_MAX_DISKS];

	memcpy(own, child_fds(p, index),
	       (CHILD_FDS + p->nr_tops) * sizeof(own[0]));
	/* from here on what goes wrong is in the child's own log */
	if (dup3(own[OWN_LOG], STDERR_FILENO, 0) < 0)
		return err_sys(err, errno, "log");
	if (vmm_reset_loop(v, err) < 0)
		return -1;
	vm_forget_kvm(&v->vm);
	if (devices_forget(&v->dev, own[OWN_CONSOLE], err) < 0)
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

static void report(const struct plan *p, unsigned int index,
		   const struct err *err)
{
	struct report r = { .index = index, .pid = (uint32_t)getpid() };

	if (err->code) {
		r.error = err->sys ? err->sys : EIO;
		snprintf(r.detail, sizeof(r.detail), "%.199s", err->msg);
	}
	if (write(p->pipe[1], &r, sizeof(r)) < 0)
		log_warn("nobody waits for this copy: %s", strerror(errno));
}

/* Never returns with a failure: who cannot be made ends. */
static void child_main(struct vmm *v, const struct plan *p)
{
	unsigned int index = 0;
	struct err err = ERR_INIT;

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

/* ---- both ---- */

static int check(struct vmm *v, const struct ctl_fork *f, size_t nfds,
		 struct plan *p, struct err *err)
{
	int tops;

	if (v->state != CTL_STATE_RUNNING && v->state != CTL_STATE_PAUSED &&
	    v->state != CTL_STATE_HELD)
		return err_set(err, ERR_STATE, "no guest runs here");
	if (f->n < 1 || f->n > CTL_FORK_MAX)
		return err_set(err, ERR_USAGE, "%u copies, not 1 to %d", f->n,
			       CTL_FORK_MAX);
	tops = devices_count_tops(&v->dev, err);
	if (tops < 0)
		return -1;
	p->nr_tops = (unsigned int)tops;
	if (nfds != p->nr_tops + f->n * (CHILD_FDS + p->nr_tops))
		return err_set(err, ERR_USAGE, "%zu descriptors, %u are needed",
			       nfds, p->nr_tops + f->n *
			       (CHILD_FDS + p->nr_tops));
	return 0;
}

/* The guest stands still and its state is in memory. */
static int stop(struct vmm *v, struct err *err)
{
	if (v->state == CTL_STATE_HELD)
		return 0;
	if (vm_pause(&v->vm, err) < 0)
		return -1;
	console_flush(&v->dev.console);
	return vm_save(&v->vm, err);
}

static void go_on(struct vmm *v)
{
	if (v->state == CTL_STATE_RUNNING)
		vm_resume(&v->vm);
}

static enum clone_result fork_now(struct vmm *v, struct plan *p,
				  struct device_tops *tops, struct err *err)
{
	pid_t pid;

	if (stop(v, err) < 0) {
		go_on(v);
		return FORK_FAILED;
	}
	p->kept = devices_freeze_tops(&v->dev);
	pid = fork();
	if (pid == 0) {
		close(p->pipe[0]);
		child_main(v, p);
		return FORK_CHILD;
	}
	if (pid < 0) {
		err_sys(err, errno, "fork");
		if (errno == ENOMEM)
			err_hint(err, "the host must be able to promise the "
				 "guest's memory twice: vm.overcommit_memory=2 "
				 "is too strict for a fork");
		devices_thaw_tops(&v->dev);
	} else {
		devices_push_tops(&v->dev, tops, p->kept, false);
	}
	go_on(v);
	return pid < 0 ? FORK_FAILED : FORK_PARENT;
}

static int watch(struct vmm *v, struct clone_job *job, const struct plan *p,
		 uint64_t pause_ns)
{
	job->mute = false;
	job->told = 0;
	job->answer = (struct ctl_forked){
		.h = { .magic = CTL_MAGIC, .type = CTL_FORKED,
		       .seq = p->f->h.seq },
		.n = p->f->n,
		.kept_top = p->kept,
		.pause_ns = pause_ns,
	};
	job->results.cb = on_report;
	return loop_add(&v->loop, &job->results, p->pipe[0], EPOLLIN);
}

enum clone_result clone_start(struct vmm *v, const struct ctl_fork *f, int *fds,
			      size_t nfds, struct err *err)
{
	struct clone_job *job = free_job(v);
	struct plan p = { .f = f };
	struct device_tops tops;
	enum clone_result rc;
	uint64_t began;

	if (check(v, f, nfds, &p, err) < 0)
		return FORK_FAILED;
	if (!job) {
		err_sys(err, EBUSY, "%d forks are under way", CLONE_JOBS);
		return FORK_FAILED;
	}
	p.fds = fds + p.nr_tops;
	if (devices_load_tops(&v->dev, fds, &tops, err) < 0)
		return FORK_FAILED;
	if (pipe2(p.pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_sys(err, errno, "pipe");
		devices_drop_tops(&tops);
		return FORK_FAILED;
	}
	began = now_ns();
	rc = fork_now(v, &p, &tops, err);
	if (rc == FORK_CHILD)
		return rc;
	close(p.pipe[1]);
	if (rc == FORK_PARENT &&
	    watch(v, job, &p, now_ns() - began) == 0)
		return rc;
	/* not watched: the children are up, and find nobody to serve */
	if (rc == FORK_PARENT)
		err_sys(err, errno, "event loop");
	devices_drop_tops(&tops);
	close(p.pipe[0]);
	return FORK_FAILED;
}
