/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/isolate.c - give up what a running guest's VMM does not need
 *
 * Runs in podflare-vmm on the main thread, once, between the making of the guest
 * and its first instruction.  Whoever breaks out of the guest into this process
 * holds its descriptors (the sandbox's own disks and log, sockets to its runner)
 * and these calls, no files, no network, no other process.
 *
 * Theory of operation: a list of what is allowed; each line says who needs it.
 * Anything else fails with EPERM and is logged by the kernel's audit: C
 * libraries change the calls they make, and a sandbox should not die of an
 * update.  What no C library does behind our back and an intruder wants first
 * ends the process instead.  The VMM has all that it opens by then, so that the
 * list is short; a child of a live fork inherits the filter and is made inside
 * it.
 */
#include "runner/vmm/isolate.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <seccomp.h>

#include "runner/vmm/kvm.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define CLONE_NAMESPACES (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | \
	CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS)

static const int allowed[] = {
	/* vCPU threads */
	SCMP_SYS(futex),		/* gate and device locks */
	SCMP_SYS(rt_sigreturn),		/* VCPU_SIGNAL */
	SCMP_SYS(restart_syscall),
	/* event loop */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),		/* connections come and go */
	SCMP_SYS(poll), SCMP_SYS(ppoll),	/* a pause looks for kicks */
	SCMP_SYS(clock_gettime),	/* where the vDSO has no clock */
	SCMP_SYS(read),			/* eventfds, signalfd */
	SCMP_SYS(write),		/* eventfds, the log */
	SCMP_SYS(close),
	/* control socket, console and vsock streams */
	SCMP_SYS(accept4),
	SCMP_SYS(getsockopt),		/* SO_PEERCRED */
	SCMP_SYS(geteuid),
	SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(readv),
	SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(writev),
	SCMP_SYS(shutdown),
	SCMP_SYS(fcntl),		/* O_NONBLOCK */
	/* disks, console log, exit record */
	SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
	SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2),
	SCMP_SYS(fdatasync), SCMP_SYS(fsync),
	SCMP_SYS(fallocate),		/* discard, write-zeroes */
	SCMP_SYS(ftruncate),		/* the log is cut to its newest half */
	SCMP_SYS(lseek), SCMP_SYS(fstat),
	/* entropy device */
	SCMP_SYS(getrandom),
	/* a live fork: the child makes its descriptors and threads anew; what
	 * clone(2) may do is said below */
	SCMP_SYS(epoll_create1), SCMP_SYS(eventfd2), SCMP_SYS(signalfd4),
	SCMP_SYS(pipe2), SCMP_SYS(listen), SCMP_SYS(dup3),
	SCMP_SYS(close_range), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address), SCMP_SYS(wait4),
	/* the end: stop the threads, free the memory, exit; abort(3) */
	SCMP_SYS(madvise), SCMP_SYS(munmap), SCMP_SYS(brk),
	SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(tgkill),		/* pthread_kill(3), raise(3) */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* Nothing of ours, nor of a C library's, ever gets here. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(bpf), SCMP_SYS(userfaultfd),
	SCMP_SYS(mount), SCMP_SYS(unshare), SCMP_SYS(setns),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(perf_event_open),
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind),
};

static int add_ioctls(scmp_filter_ctx ctx)
{
	const uint32_t *nr;
	size_t n;
	int rc = 0;

	nr = kvm_ioctls_running(&n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff,
					      nr[i]));
	return rc;
}

/* Calls that are harmless with some arguments only. */
static int add_with_arguments(scmp_filter_ctx ctx)
{
	int rc;

	/* malloc(3), thread stacks: never executable */
	rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect),
				      1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
						 0));
	/* fork(2) and threads, without namespaces */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ,
					      CLONE_NAMESPACES, 0));
	/* its flags are out of a filter's sight; libc then takes clone(2) */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
				      SCMP_SYS(clone3), 0);
	/* a thread's name */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				      SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	/* a stream's two ends */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW,
				      SCMP_SYS(socketpair), 1,
				      SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	return rc;
}

static int add_rules(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(deadly) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, deadly[i],
				      0);
	if (rc == 0)
		rc = add_with_arguments(ctx);
	return rc == 0 ? add_ioctls(ctx) : rc;
}

static int load(scmp_filter_ctx ctx)
{
	int rc = add_rules(ctx);

	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	/* a tree instead of a list; each KVM_RUN goes through it */
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return rc == 0 ? seccomp_load(ctx) : rc;
}

bool isolate_built(void)
{
	return !SANITIZED;
}

int isolate_enter(struct err *err)
{
	scmp_filter_ctx ctx;
	int rc;

	if (!isolate_built())
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "no new privileges");
	ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return err_set(err, ERR_NO_MEMORY, "system call filter");
	rc = load(ctx);
	seccomp_release(ctx);
	if (rc < 0)
		return err_sys(err, -rc, "system call filter");
	return 0;
}
