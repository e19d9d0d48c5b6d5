/* SPDX-License-Identifier: MIT */
/*
 * runner/vmproc.c - a podflare-vmm process: start, adopt, end
 *
 * podflared, loop thread.  Distrusts the VMM to come back: whatever is asked of
 * it has a deadline, and its end is learnt from the kernel (pidfd).  Nor is it
 * believed which process it has forked: the kernel knows who listens on the
 * socket that was bound for it.
 */
#include "runner/vmproc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"

#define PROGRAM "podflare-vmm"
#define PID_FILE "vmm.pid"
#define TERMINATE_MS 5000
#define KILL_WAIT_MS 5000
#define CLOSED_MS 5000	/* from the socket's end to the process's */
#define FORKING_MS 500	/* a VMM may be busy making one that we look for */

struct vmproc {
	struct runner *runner;
	const struct vmproc_ops *ops;
	void *arg;
	struct vmctl *ctl;
	struct loop_watch exit;	/* the pidfd */
	struct loop_timer deadline;	/* then it is killed */
	pid_t pid;
	uint64_t start_time;
	int dirfd;
	char socket[64];
	char why[256];	/* we ended it: why */
};

static void release(struct vmproc *vm)
{
	int fd = vm->exit.fd;

	loop_timer_cancel(&vm->runner->loop, &vm->deadline);
	if (vm->ctl)
		vmctl_free(vm->ctl);
	loop_del(&vm->runner->loop, &vm->exit);
	if (fd >= 0) {
		/* ours, if whoever had forked it is gone */
		waitid(P_PIDFD, (id_t)fd, NULL, WEXITED | WNOHANG);
		close(fd);
	}
	if (vm->dirfd >= 0)
		close(vm->dirfd);
	free(vm);
}

static void exit_event(struct loop_watch *w, uint32_t events)
{
	struct vmproc *vm = container_of(w, struct vmproc, exit);
	siginfo_t si = { 0 };
	struct vm_end end;

	/* ECHILD: adopted, somebody else reaps it */
	if (waitid(P_PIDFD, (id_t)w->fd, &si, WEXITED | WNOHANG) < 0 &&
	    errno != ECHILD)
		log_warn("waitid: %s", strerror(errno));
	vmctl_read_exit(vm->dirfd, VMPROC_EXIT_FILE, &end);
	if (vm->why[0]) {
		end.reason = VM_END_FAULT;
		snprintf(end.detail, sizeof(end.detail), "%s", vm->why);
	} else if (end.reason == VM_END_KILLED && si.si_pid) {
		snprintf(end.detail, sizeof(end.detail),
			 si.si_code == CLD_EXITED ? "exit code %d" : "signal %d",
			 si.si_status);
	}
	unlinkat(vm->runner->places.vm_fd, vm->socket, 0);
	if (vm->ctl)
		vmctl_free(vm->ctl);	/* calls in flight fail now */
	vm->ctl = NULL;
	vm->ops->gone(vm->arg, &end);
	release(vm);
}

static void ctl_agent_up(void *arg, const struct vm_status *st)
{
	struct vmproc *vm = arg;

	vm->ops->agent_up(vm->arg, st);
}

static void ctl_disk_full(void *arg)
{
	struct vmproc *vm = arg;

	vm->ops->disk_full(vm->arg);
}

static void ctl_net_wanted(void *arg)
{
	struct vmproc *vm = arg;

	vm->ops->net_wanted(vm->arg);
}

static void ctl_closed(void *arg, const struct err *err)
{
	struct vmproc *vm = arg;

	if (err)
		vmproc_kill(vm, err->msg);
	else if (!vm->deadline.deadline)
		loop_timer_set(&vm->runner->loop, &vm->deadline, CLOSED_MS);
}

static const struct vmctl_ops ctl_ops = {
	.agent_up = ctl_agent_up,
	.disk_full = ctl_disk_full,
	.net_wanted = ctl_net_wanted,
	.closed = ctl_closed,
};

static void deadline_cb(struct loop_timer *t)
{
	struct vmproc *vm = container_of(t, struct vmproc, deadline);

	vmproc_kill(vm, "the VMM did not end when it was asked to");
}

static struct vmproc *vmproc_new(struct runner *r, const char *id, int dirfd,
				 const struct vmproc_ops *ops, void *arg,
				 struct err *err)
{
	struct vmproc *vm = calloc(1, sizeof(*vm));

	if (!vm) {
		err_set(err, ERR_NO_MEMORY, "VMM process");
		return NULL;
	}
	vm->runner = r;
	vm->ops = ops;
	vm->arg = arg;
	vm->exit.cb = exit_event;
	vm->exit.fd = -1;
	vm->deadline.cb = deadline_cb;
	snprintf(vm->socket, sizeof(vm->socket), "%s.sock", id);
	vm->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (vm->dirfd < 0) {
		err_sys(err, errno, "VMM process");
		free(vm);
		return NULL;
	}
	return vm;
}

static int connect_socket(struct vmproc *vm, struct err *err)
{
	return path_connect_unix(vm->runner->places.vm_fd, vm->socket,
				 SOCK_SEQPACKET | SOCK_NONBLOCK, err);
}

static int connect_ctl(struct vmproc *vm, struct err *err)
{
	int sock = connect_socket(vm, err);

	if (sock < 0)
		return -1;
	vm->ctl = vmctl_new(&vm->runner->loop, sock, &ctl_ops, vm, err);
	return vm->ctl ? 0 : -1;
}

/* Connect to whoever listens on the socket and watch that process. @pid: who it
 * has to be, 0: anybody. */
static int connect_listener(struct vmproc *vm, pid_t pid, struct err *err)
{
	CLEANUP_FD int sock = connect_socket(vm, err);
	CLEANUP_FD int pidfd = -1;
	struct pollfd p = { .fd = sock };

	if (sock < 0 || fdpass_check_peer(sock, &vm->pid, err) < 0)
		return -1;
	vm->start_time = proc_start_time(vm->pid);
	pidfd = proc_open(vm->pid, vm->start_time);
	/* with the connection alive, that pid still is the listener's */
	if (pidfd < 0 || poll(&p, 1, 0) != 0)
		return err_set(err, ERR_UNAVAILABLE, "it has ended");
	if (loop_add(&vm->runner->loop, &vm->exit, pidfd, EPOLLIN) < 0)
		return err_sys(err, errno, "cannot watch the VMM");
	steal_fd(&pidfd);
	if (pid && vm->pid != pid)
		return err_set(err, ERR_PROTOCOL, "process %d listens, not %d",
			       (int)vm->pid, (int)pid);
	vm->ctl = vmctl_new(&vm->runner->loop, steal_fd(&sock), &ctl_ops, vm,
			    err);
	return vm->ctl ? 0 : -1;
}

/* Only what is meant for it: the user's environment may hold secrets, and the
 * VMM is the guest's neighbour. */
void vmproc_make_env(const char **out, size_t max)
{
	static const char *const prefixes[] = {
		"PODFLARE_", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
		"UBSAN_OPTIONS=",
	};
	size_t n = 0, i;
	char **e;

	for (e = environ; *e; e++)
		for (i = 0; i < ARRAY_SIZE(prefixes) && n < max - 1; i++)
			if (!strncmp(*e, prefixes[i], strlen(prefixes[i])))
				out[n++] = *e;
	out[n] = NULL;
}

void vmproc_identity(const struct vmproc *vm, char *out)
{
	snprintf(out, VMPROC_ID, "%d %llu %s\n", (int)vm->pid,
		 (unsigned long long)vm->start_time, vm->runner->boot_id);
}

int vmproc_record(int dirfd, const char *identity, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	CLEANUP_FD int fd = openat(dirfd, PID_FILE ".tmp", flags, 0600);
	size_t n = strlen(identity);

	/* it need not survive the host, as the process does not: no fsync */
	if (fd < 0)
		return err_sys(err, errno, "%s", PID_FILE);
	errno = ENOSPC;		/* what a short write means */
	if (write(fd, identity, n) != (ssize_t)n ||
	    renameat(dirfd, PID_FILE ".tmp", dirfd, PID_FILE) < 0)
		return err_sys(err, errno, "%s", PID_FILE);
	return 0;
}

static int write_pid_file(struct vmproc *vm, struct err *err)
{
	char identity[VMPROC_ID];

	vm->start_time = proc_start_time(vm->pid);
	vmproc_identity(vm, identity);
	return vmproc_record(vm->dirfd, identity, err);
}

static int start_process(struct vmproc *vm, struct err *err)
{
	CLEANUP_FREE char *program = path_program(PROGRAM, err);
	CLEANUP_FD int sock = -1;
	CLEANUP_FD int log = -1;
	const char *argv[] = { program, NULL };
	const char *env[64];
	struct proc_spawn s = { .argv = argv, .envp = env, .cwd = "/",
				.nfds = 4, .new_session = true };
	int pidfd;

	if (!program)
		return -1;
	/* listening before it starts, so that nobody has to wait for it */
	sock = path_bind_unix(vm->runner->places.vm_fd, vm->socket,
			      SOCK_SEQPACKET, err);
	if (sock < 0)
		return -1;
	if (listen(sock, 8) < 0)
		return err_sys(err, errno, "listen");
	log = openat(vm->dirfd, VMPROC_LOG_FILE,
		     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return err_sys(err, errno, "%s", VMPROC_LOG_FILE);
	vmproc_make_env(env, ARRAY_SIZE(env));
	s.fds[0] = s.fds[1] = -1;
	s.fds[2] = log;
	s.fds[3] = sock;
	vm->pid = proc_spawn(&s, &pidfd, err);
	if (vm->pid < 0)
		return -1;
	if (loop_add(&vm->runner->loop, &vm->exit, pidfd, EPOLLIN) < 0) {
		err_sys(err, errno, "cannot watch the VMM");
		proc_signal(pidfd, SIGKILL);
		waitid(P_PIDFD, (id_t)pidfd, NULL, WEXITED);
		close(pidfd);
		return -1;
	}
	return 0;
}

struct vmproc *vmproc_spawn(struct runner *r, const char *id, int dirfd,
			    const struct vmproc_ops *ops, void *arg,
			    struct err *err)
{
	struct vmproc *vm = vmproc_new(r, id, dirfd, ops, arg, err);

	if (!vm)
		return NULL;
	if (start_process(vm, err) == 0 && write_pid_file(vm, err) == 0 &&
	    connect_ctl(vm, err) == 0)
		return vm;
	err_context(err, "cannot start the VMM");
	if (vm->exit.fd >= 0) {
		proc_signal(vm->exit.fd, SIGKILL);
		waitid(P_PIDFD, (id_t)vm->exit.fd, NULL, WEXITED);
	}
	unlinkat(r->places.vm_fd, vm->socket, 0);
	release(vm);
	return NULL;
}

struct vmproc *vmproc_take(struct runner *r, const char *id, int dirfd,
			   pid_t pid, const struct vmproc_ops *ops, void *arg,
			   struct err *err)
{
	struct vmproc *vm = vmproc_new(r, id, dirfd, ops, arg, err);

	if (!vm)
		return NULL;
	if (connect_listener(vm, pid, err) == 0)
		return vm;
	err_context(err, "cannot reach the copy's VMM");
	/* whoever listens there is of no other use; one that does not, ends by
	 * itself */
	if (vm->exit.fd >= 0)
		proc_signal(vm->exit.fd, SIGKILL);
	unlinkat(r->places.vm_fd, vm->socket, 0);
	release(vm);
	return NULL;
}

void vmproc_kill_listener(struct runner *r, const char *id, int dirfd)
{
	struct err err = ERR_INIT;
	struct vmproc *vm = vmproc_new(r, id, dirfd, NULL, NULL, &err);

	if (!vm)
		return;
	if (connect_listener(vm, 0, &err) == 0 && vm->exit.fd >= 0)
		proc_signal(vm->exit.fd, SIGKILL);
	release(vm);
}

/* A copy that was being made when the runner was killed is known by its socket
 * alone. Return: 0, or -1. */
static int find_listener(struct vmproc *vm)
{
	struct err err = ERR_INIT;

	while (connect_listener(vm, 0, &err) < 0) {
		if (err.sys != ECONNREFUSED ||
		    now_ns() > vm->runner->started_ns + FORKING_MS * 1000000ULL)
			return -1;
		poll(NULL, 0, 10);
		err = (struct err)ERR_INIT;
	}
	return 0;
}

/* Return: a pidfd, -1 with @end: gone. */
static int open_recorded(struct vmproc *vm, struct vm_end *end)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	unsigned long long start_time;
	char boot[40];
	int pid, fd;

	vmctl_read_exit(vm->dirfd, VMPROC_EXIT_FILE, end);
	/* the file is not synced: no file is a sign of a power cut as well */
	if (path_read_file(vm->dirfd, PID_FILE, 256, &b, NULL) < 0 ||
	    sscanf(buf_str(&b), "%d %llu %39s", &pid, &start_time, boot) != 3 ||
	    strcmp(boot, vm->runner->boot_id) != 0) {
		if (end->reason == VM_END_KILLED)
			end->reason = VM_END_HOST;
		return -1;
	}
	fd = proc_open(pid, start_time);
	if (fd >= 0)
		vm->pid = pid;
	return fd;
}

struct vmproc *vmproc_adopt(struct runner *r, const char *id, int dirfd,
			    const struct vmproc_ops *ops, void *arg,
			    struct vm_end *end)
{
	struct err err = ERR_INIT;
	struct vmproc *vm = vmproc_new(r, id, dirfd, ops, arg, &err);
	int pidfd;

	*end = (struct vm_end){ .reason = VM_END_KILLED };
	if (!vm) {
		snprintf(end->detail, sizeof(end->detail), "%.200s", err.msg);
		return NULL;
	}
	if (faccessat(dirfd, PID_FILE, F_OK, 0) < 0 && find_listener(vm) == 0)
		return vm;
	pidfd = open_recorded(vm, end);
	if (pidfd < 0 || loop_add(&r->loop, &vm->exit, pidfd, EPOLLIN) < 0) {
		if (pidfd >= 0)
			close(pidfd);
		unlinkat(r->places.vm_fd, vm->socket, 0);
		release(vm);
		return NULL;
	}
	if (connect_ctl(vm, &err) < 0) {
		/* alive and out of reach for good (the runtime folder was
		 * cleaned): let it save its disk */
		log_warn("sandbox %s: %s: its VMM is ended", id, err.msg);
		vmproc_terminate(vm);
	}
	return vm;
}

int vmproc_forget(int dirfd, struct err *err)
{
	if (unlinkat(dirfd, PID_FILE, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, PID_FILE);
	return 0;
}

void vmproc_renamed(struct vmproc *vm, const char *id)
{
	snprintf(vm->socket, sizeof(vm->socket), "%s.sock", id);
}

void vmproc_given(struct vmproc *vm, void *arg)
{
	vm->arg = arg;
}

struct vmctl *vmproc_ctl(struct vmproc *vm)
{
	return vm->ctl;
}

void vmproc_check(struct vmproc *vm)
{
	struct pollfd p = { .fd = vm->exit.fd, .events = POLLIN };

	if (poll(&p, 1, 0) > 0)
		exit_event(&vm->exit, EPOLLIN);
}

pid_t vmproc_pid(const struct vmproc *vm)
{
	return vm->pid;
}

void vmproc_kill(struct vmproc *vm, const char *why)
{
	if (why && !vm->why[0])
		snprintf(vm->why, sizeof(vm->why), "%s", why);
	if (proc_signal(vm->exit.fd, SIGKILL) < 0 && errno != ESRCH)
		log_warn("cannot kill VMM %d: %s", (int)vm->pid,
			 strerror(errno));
}

void vmproc_terminate(struct vmproc *vm)
{
	proc_signal(vm->exit.fd, SIGTERM);
	loop_timer_set(&vm->runner->loop, &vm->deadline, TERMINATE_MS);
}

void vmproc_kill_wait(struct vmproc *vm)
{
	struct pollfd p = { .fd = vm->exit.fd, .events = POLLIN };

	vmproc_kill(vm, NULL);
	if (poll(&p, 1, KILL_WAIT_MS) <= 0)
		log_warn("VMM %d does not end", (int)vm->pid);
	unlinkat(vm->runner->places.vm_fd, vm->socket, 0);
	release(vm);
}

void vmproc_free(struct vmproc *vm)
{
	release(vm);
}
