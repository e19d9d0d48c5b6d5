/* SPDX-License-Identifier: MIT */
/*
 * machine/host-qemu.c - the command line of the emulated machine
 *
 * Supervisor.  One virtual CPU, emulated by one thread, always: with several,
 * the emulation of nested paging has been seen to corrupt guests.  The CPU is said
 * to have no fast string copies, for their emulation goes byte by byte: without
 * them kernels and C libraries copy three times as fast.  Without LA57 page
 * tables, nested ones above all, have a level less.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"
#include "machine/host.h"
#include "machine/initramfs.h"

#define SOCKET_MS 10000		/* until QEMU listens */

#define QEMU "qemu-system-x86_64"
#define ARGS_MAX 64
#define CMDLINE \
	"console=ttyS0 quiet reboot=t panic=-1 mitigations=off tsc=reliable " \
	"cryptomgr.notests " \
	"LD_LIBRARY_PATH=/" INPUTS_LIBS

struct args {
	const char *v[ARGS_MAX];
	size_t n;
	char memory[32];
	char drive[PATH_MAX * 2];
};

static void add(struct args *a, const char *option, const char *value)
{
	BUG_ON(a->n + 3 > ARGS_MAX);
	a->v[a->n++] = option;
	if (value)
		a->v[a->n++] = value;
}

/* In a -drive value a comma is written twice. */
static int add_drive(struct args *a, const char *path, struct err *err)
{
	size_t n = (size_t)snprintf(a->drive, sizeof(a->drive),
				    "if=none,id=disk,format=raw,"
				    "cache=writeback,discard=unmap,file=");

	for (const char *p = path; *p; p++) {
		if (n + 3 > sizeof(a->drive))
			return err_sys(err, ENAMETOOLONG, "%s", path);
		a->drive[n++] = *p;
		if (*p == ',')
			a->drive[n++] = *p;
	}
	a->drive[n] = '\0';
	add(a, "-drive", a->drive);
	return 0;
}

/* Sockets are named relative to the runtime folder: however long its path. */
static int build_args(struct args *a, const struct host *h, const char *qemu,
		      const char *kernel, const char *initramfs,
		      const char *disk, struct err *err)
{
	snprintf(a->memory, sizeof(a->memory), "%llu",
		 (unsigned long long)(h->state.memory / MIB));
	add(a, qemu, NULL);
	add(a, "-name", "podflare");
	add(a, "-nodefaults", NULL);
	add(a, "-no-user-config", NULL);
	add(a, "-no-reboot", NULL);
	add(a, "-display", "none");
	add(a, "-M", "q35");
	add(a, "-cpu", "max,+svm,+npt,-xsave,-erms,-fsrm,-la57");
	add(a, "-smp", "1");
	add(a, "-accel", "tcg,thread=single,tb-size=512");
	if (h->state.icount)
		add(a, "-icount", "shift=0,sleep=off");
	add(a, "-m", a->memory);
	add(a, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,"
	    "spawn=deny,resourcecontrol=deny");
	add(a, "-kernel", kernel);
	add(a, "-initrd", initramfs);
	add(a, "-append", CMDLINE);
	if (add_drive(a, disk, err) < 0)
		return -1;
	add(a, "-device", "virtio-blk-pci,drive=disk");
	add(a, "-device", "virtio-rng-pci");
	add(a, "-device", "virtio-serial-pci,max_ports=2");
	add(a, "-chardev", "socket,id=qmp,server=on,wait=off,path="
	    HOST_QMP_SOCKET);
	add(a, "-mon", "chardev=qmp,mode=control");
	add(a, "-chardev", "socket,id=console,server=on,wait=off,path="
	    HOST_CONSOLE_SOCKET);
	add(a, "-serial", "chardev:console");
	add(a, "-chardev", "socket,id=mux,server=on,wait=off,path="
	    HOST_MUX_SOCKET);
	add(a, "-device", "virtserialport,chardev=mux,name=podflare");
	return 0;
}

/* Each machine begins its console's log anew. */
static int rename_console(struct err *err)
{
	CLEANUP_FREE char *path = host_log_path("console.log", err);
	CLEANUP_FREE char *old = host_log_path("console.log.1", err);

	if (!path || !old)
		return -1;
	if (rename(path, old) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s", path);
	return 0;
}

static int spawn(struct host *h, const struct args *a, int lock,
		 struct err *err)
{
	CLEANUP_FREE char *log = host_log_path("qemu.log", err);
	CLEANUP_FD int fd = -1;
	char cwd[64];
	struct proc_spawn s = { .argv = a->v, .cwd = cwd, .nfds = 4,
				.fds = { -1, -1, -1, lock },
				.new_session = true };

	if (!log)
		return -1;
	if (rename_console(err) < 0)
		return -1;
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return err_sys(err, errno, "%s", log);
	s.fds[1] = s.fds[2] = fd;
	snprintf(cwd, sizeof(cwd), "/proc/%d/fd/%d", (int)getpid(), h->dirfd);
	h->state.pid = proc_spawn(&s, &h->pidfd, err);
	return h->state.pid < 0 ? -1 : 0;
}

/* A QEMU that no state file knows of (its supervisor was killed in the moment
 * after the start) still answers on its socket. */
static void end_orphan(int dirfd)
{
	CLEANUP_FD int fd = path_connect_unix(dirfd, HOST_MUX_SOCKET,
					      SOCK_STREAM, NULL);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.uid != geteuid() || peer.pid <= 1)
		return;
	log_warn("ending a machine without a state file, pid %d",
		 (int)peer.pid);
	kill(peer.pid, SIGKILL);
}

static char *find_qemu(struct err *err)
{
	const char *env = getenv("PODFLARE_QEMU");
	char *path = env && *env ? strdup(env) : inputs_search(QEMU);

	if (path && access(path, X_OK) == 0)
		return path;
	free(path);
	err_set(err, ERR_NOT_FOUND, "no hardware virtualization on this host, "
		"and QEMU, which emulates it, is not installed");
	err_hint(err, "sudo apt install qemu-system-x86");
	return NULL;
}

int host_qemu_start(struct host *h, struct err *err)
{
	CLEANUP_FREE char *qemu = find_qemu(err);
	CLEANUP_INPUTS struct inputs *in = qemu ? inputs_find(err) : NULL;
	CLEANUP_FREE char *initramfs = NULL;
	CLEANUP_FREE char *disk = NULL;
	CLEANUP_FD int lock = -1;
	struct args a = { .n = 0 };

	if (!in || host_memory(h->opts.memory, &h->state.memory, err) < 0)
		return -1;
	host_progress(h, "preparing the emulated machine");
	end_orphan(h->dirfd);
	lock = host_disk_lock(err);
	disk = lock >= 0 ? host_disk(err) : NULL;
	initramfs = disk ? initramfs_make(in, err) : NULL;
	if (!initramfs)
		return -1;
	h->state.icount = h->opts.icount;
	h->state.started = (uint64_t)time(NULL);
	snprintf(h->state.key, sizeof(h->state.key), "%s", in->key);
	snprintf(h->state.version, sizeof(h->state.version), "%s",
		 PACKAGE_VERSION);
	if (build_args(&a, h, qemu, in->kernel, initramfs, disk, err) < 0)
		return -1;
	unlinkat(h->dirfd, HOST_MUX_SOCKET, 0);
	unlinkat(h->dirfd, HOST_CONSOLE_SOCKET, 0);
	unlinkat(h->dirfd, HOST_QMP_SOCKET, 0);
	if (spawn(h, &a, lock, err) < 0)
		return -1;
	h->state.start_time = proc_start_time(h->state.pid);
	if (host_state_save(&h->state, h->dirfd, err) < 0) {
		proc_signal(h->pidfd, SIGKILL);
		return -1;
	}
	host_progress(h, "starting the emulated machine");
	return 0;
}

int host_qemu_connect(struct host *h, const char *name, struct err *err)
{
	const struct timespec tick = { 0, 10 * 1000000 };
	char last[256];
	int fd;

	for (int ms = 0; ms < SOCKET_MS; ms += 10) {
		fd = path_connect_unix(h->dirfd, name, SOCK_STREAM, NULL);
		if (fd >= 0)
			return fd;
		if (proc_signal(h->pidfd, 0) < 0 ||
		    waitpid(h->state.pid, NULL, WNOHANG) > 0)
			break;
		nanosleep(&tick, NULL);
	}
	return err_set(err, ERR_FAILED, "QEMU did not start: %s",
		       console_last(h, last, sizeof(last)));
}
