/* SPDX-License-Identifier: MIT */
/*
 * runner/net/isolate.c - give up what a network process does not need
 *
 * Runs in podflare-net, once, before the first frame of the guest.  Whoever breaks
 * through libslirp into this process can do what the process is for, use sockets,
 * and little else: no program is run, no file is written to, no process is
 * touched.
 *
 * Theory of operation: no new privileges; no capabilities; Landlock, where the
 * kernel has it, for reading below /etc and /run alone (the host's resolv.conf);
 * and a list of system calls. What is not on it fails with EPERM.
 */
#include "runner/net/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "common/log.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static const int allowed[] = {
	/* the wire, control, flows */
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(read), SCMP_SYS(readv),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(close), SCMP_SYS(fcntl), SCMP_SYS(ioctl),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	/* resolv.conf; to be written to, see below */
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lseek),
	SCMP_SYS(statx),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(getrandom), SCMP_SYS(futex),
	/* the end; abort(3) */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(bpf), SCMP_SYS(userfaultfd),
	SCMP_SYS(mount), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(perf_event_open), SCMP_SYS(io_uring_setup),
};

static const int domains[] = { AF_INET, AF_INET6, AF_NETLINK };

static int add_with_arguments(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(domains) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ,
					      (scmp_datum_t)domains[i]));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE |
					      O_CREAT | O_TRUNC, O_RDONLY));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
					      0));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
					      0));
	return rc;
}

static int load(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(deadly) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, deadly[i],
				      0);
	if (rc == 0)
		rc = add_with_arguments(ctx);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return rc == 0 ? seccomp_load(ctx) : rc;
}

static int filter_calls(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (!ctx)
		return err_set(err, ERR_NO_MEMORY, "system call filter");
	rc = load(ctx);
	seccomp_release(ctx);
	return rc < 0 ? err_sys(err, -rc, "system call filter") : 0;
}

/* The runner may be root (in an emulated machine). */
static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (syscall(SYS_capset, &h, none) < 0)
		return err_sys(err, errno, "drop capabilities");
	return 0;
}

static bool allow_below(int rules, const char *path)
{
	struct landlock_path_beneath_attr a = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	bool ok;

	if (a.parent_fd < 0)
		return errno == ENOENT;
	ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
		     &a, 0) == 0;
	close(a.parent_fd);
	return ok;
}

/* Return: whether the kernel does it. */
static bool limit_files(void)
{
	struct landlock_ruleset_attr attr = {
		/* all that the first version knows */
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr,
				 sizeof(attr.handled_access_fs), 0);
	bool ok;

	if (rules < 0)
		return false;
	ok = allow_below(rules, "/etc") && allow_below(rules, "/run") &&
	     syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	close(rules);
	return ok;
}

bool isolate_built(void)
{
	return !SANITIZED;
}

int isolate_enter(struct err *err)
{
	if (!isolate_built())
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "no new privileges");
	/* not to be looked into by others of the same user */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!limit_files())
		log_debug("this kernel has no Landlock");
	if (drop_capabilities(err) < 0)
		return -1;
	return filter_calls(err);
}
