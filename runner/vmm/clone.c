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
#include <stdio.h>
#include <unistd.h>

#include "runner/vmm/clone-child.h"
#include "runner/vmm/vmm.h"

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
	struct clone_report r;
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

/* ---- the fork ---- */

static int check(struct vmm *v, const struct ctl_fork *f, size_t nfds,
		 struct clone_plan *p, struct err *err)
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
	if (nfds != p->nr_tops + f->n * (CLONE_CHILD_FDS + p->nr_tops))
		return err_set(err, ERR_USAGE, "%zu descriptors, %u are needed",
			       nfds, p->nr_tops + f->n *
			       (CLONE_CHILD_FDS + p->nr_tops));
	return 0;
}

/* The guest stands still and its state is in memory. */
static int stop(struct vmm *v, struct err *err)
{
	if (v->state == CTL_STATE_HELD)
		return 0;
	if (vm_pause(&v->vm, err) < 0)
		return -1;
	/* what a reset ends has clients, which only we may tell */
	devices_end_resets(&v->dev);
	console_flush(&v->dev.console);
	return vm_save(&v->vm, err);
}

static void go_on(struct vmm *v)
{
	if (v->state == CTL_STATE_RUNNING)
		vm_resume(&v->vm);
}

static enum clone_result fork_now(struct vmm *v, struct clone_plan *p,
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
		clone_child(v, p);
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

/* Before there are children: what they did could not be undone. */
static int watch(struct vmm *v, struct clone_job *job,
		 const struct clone_plan *p, struct err *err)
{
	job->mute = false;
	job->told = 0;
	job->answer = (struct ctl_forked){
		.h = { .magic = CTL_MAGIC, .type = CTL_FORKED,
		       .seq = p->f->h.seq },
		.n = p->f->n,
	};
	job->results.cb = on_report;
	if (loop_add(&v->loop, &job->results, p->pipe[0], EPOLLIN) < 0)
		return err_sys(err, errno, "event loop");
	return 0;
}

/* Only our end does not block: a report is never lost. */
static int open_pipe(struct clone_plan *p, struct err *err)
{
	if (pipe2(p->pipe, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	if (fcntl(p->pipe[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	err_sys(err, errno, "pipe");
	close(p->pipe[0]);
	close(p->pipe[1]);
	return -1;
}

enum clone_result clone_start(struct vmm *v, const struct ctl_fork *f, int *fds,
			      size_t nfds, struct err *err)
{
	struct clone_job *job = free_job(v);
	struct clone_plan p = { .f = f };
	struct device_tops tops;
	enum clone_result rc = FORK_FAILED;
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
	if (open_pipe(&p, err) < 0) {
		devices_drop_tops(&tops);
		return FORK_FAILED;
	}
	began = now_ns();
	if (watch(v, job, &p, err) == 0)
		rc = fork_now(v, &p, &tops, err);
	if (rc == FORK_CHILD)
		return rc;
	close(p.pipe[1]);
	if (rc == FORK_PARENT) {
		job->answer.kept_top = p.kept;
		job->answer.pause_ns = now_ns() - began;
		return rc;
	}
	loop_del(&v->loop, &job->results);
	devices_drop_tops(&tops);
	close(p.pipe[0]);
	return FORK_FAILED;
}
