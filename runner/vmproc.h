/* SPDX-License-Identifier: MIT */
/*
 * runner/vmproc.h - a podflare-vmm process: start, adopt, end
 *
 * Identity is pid + start time + boot of the host, kept in the file `vmm.pid`
 * of the sandbox's folder; what is acted upon is a pidfd.
 */
#ifndef PODFLARE_RUNNER_VMPROC_H
#define PODFLARE_RUNNER_VMPROC_H

#include <sys/types.h>

#include "runner/runner.h"
#include "runner/vmctl.h"

#define VMPROC_EXIT_FILE "exit.rec"
#define VMPROC_LOG_FILE "vmm.log"
#define VMPROC_ID 128

struct vmproc;

struct vmproc_ops {
	void (*agent_up)(void *arg, const struct vm_status *st);
	void (*disk_full)(void *arg);
	void (*net_wanted)(void *arg);	/* its guest sends: vmctl_net() */
	/* The process has ended. Calls in flight have failed before; the
	 * vmproc is freed after this call. */
	void (*gone)(void *arg, const struct vm_end *end);
};

/* Start a VMM for sandbox @id. @dirfd: its folder, the caller's.
 * Return: NULL with @err, and nothing is left. */
struct vmproc *vmproc_spawn(struct runner *r, const char *id, int dirfd,
			    const struct vmproc_ops *ops, void *arg,
			    struct err *err);
/* Take up the VMM that another one made as a copy of itself, and which it says
 * has this @pid. Its vmm.pid is the caller's to write. Return: NULL with @err. */
struct vmproc *vmproc_take(struct runner *r, const char *id, int dirfd,
			   pid_t pid, const struct vmproc_ops *ops, void *arg,
			   struct err *err);
/* Kill whoever listens on the control socket of @id: a copy whose maker died
 * before it could tell of it. Harmless when there is none. */
void vmproc_kill_listener(struct runner *r, const char *id, int dirfd);
/* Take up the VMM that the folder's vmm.pid names, or else that listens on its
 * control socket. Return: NULL with @end: the process has ended. A process that
 * cannot be reached is ended. */
struct vmproc *vmproc_adopt(struct runner *r, const char *id, int dirfd,
			    const struct vmproc_ops *ops, void *arg,
			    struct vm_end *end);
/* The variables that a neighbour of a guest is given, and no others. */
void vmproc_make_env(const char **out, size_t max);
/* What vmm.pid says of it; @out has VMPROC_ID bytes. */
void vmproc_identity(const struct vmproc *vm, char *out);
/* Write that into a sandbox's folder. For any thread. Return: 0, -1 with @err. */
int vmproc_record(int dirfd, const char *identity, struct err *err);
/* Remove what was written, once it has ended. For any thread. */
int vmproc_forget(int dirfd, struct err *err);
/* Its control socket was given the name of another sandbox. */
void vmproc_renamed(struct vmproc *vm, const char *id);
/* The callbacks' argument is @arg from now on. */
void vmproc_given(struct vmproc *vm, void *arg);
struct vmctl *vmproc_ctl(struct vmproc *vm);
/* If the process has ended: gone() is called now. */
void vmproc_check(struct vmproc *vm);
pid_t vmproc_pid(const struct vmproc *vm);
/* SIGKILL; gone() follows. @why: told as the end's detail, may be NULL. */
void vmproc_kill(struct vmproc *vm, const char *why);
/* SIGTERM (disks are flushed), after 5 s SIGKILL; gone() follows. */
void vmproc_terminate(struct vmproc *vm);
/* At start only: SIGKILL, wait for the end (some seconds at most), free. */
void vmproc_kill_wait(struct vmproc *vm);
/* Let go of a process that lives on. */
void vmproc_free(struct vmproc *vm);

#endif
