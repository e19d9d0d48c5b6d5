/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/fork-vmm.c - a podflare-vmm with a tiny guest, and its copies
 *
 * Plays the runner's part at the control socket.  All files are in memory.
 */
#include "tests/bench/fork-vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cowfmt.h"
#include "common/fdpass.h"
#include "common/path.h"
#include "common/proc.h"
#include "tests/bench/fork-guest.h"
#include "tests/bench/series.h"

static int empty_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0)
		die("memfd: %s", strerror(errno));
	return fd;
}

static int empty_layer(uint64_t size)
{
	struct err err = ERR_INIT;
	int fd = empty_file();

	if (cow_format_create(fd, size, &err) < 0)
		die("%s", err.msg);
	return fd;
}

/* A sealed layer with the clusters of its first @used bytes. Nobody reads what
 * is in them: they are holes. */
static int full_layer(uint64_t size, uint64_t used)
{
	struct err err = ERR_INIT;
	struct cow_header h;
	int fd = empty_layer(size);
	size_t len = (size_t)(MIN(used, size) / COW_CLUSTER / 8);
	void *bits = malloc(len + 1);

	if (!bits || cow_format_load(fd, &h, &err) < 0)
		die("layer: %s", err.msg);
	memset(bits, 0xff, len);
	h.flags |= COW_SEALED;
	if (pwrite(fd, bits, len, (off_t)h.bitmap_off) != (ssize_t)len ||
	    cow_format_store(fd, &h) < 0)
		die("layer: %s", strerror(errno));
	free(bits);
	return fd;
}

static int bind_socket(const struct vmm *v, const char *name)
{
	struct err err = ERR_INIT;
	int fd = path_bind_unix(v->dirfd, name, SOCK_SEQPACKET, &err);

	if (fd < 0)
		die("%s", err.msg);
	return fd;
}

static int connect_to(const struct vmm *v, const char *name)
{
	struct err err = ERR_INIT;
	int fd = path_connect_unix(v->dirfd, name, SOCK_SEQPACKET, &err);

	if (fd < 0)
		die("%s", err.msg);
	return fd;
}

int vmm_connect(const struct vmm *v, unsigned int nr)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", nr);
	return connect_to(v, name);
}

/* Send, and wait for the answer in @reply; events are passed over. */
static void exchange(int sock, void *msg, size_t len, uint32_t type,
		     const int *fds, size_t nfds, void *reply, size_t size)
{
	struct ctl_header *h = msg, *back = reply;

	*h = (struct ctl_header){ CTL_MAGIC, type, 1 };
	if (fdpass_send(sock, msg, len, fds, nfds) < 0)
		die("control socket: %s", strerror(errno));
	do {
		size_t none = 0;

		if (fdpass_recv(sock, reply, size, NULL, &none) <= 0)
			die("control socket: %s", strerror(errno));
	} while (back->type == CTL_EVENT);
}

void vmm_order(int sock, uint32_t type, struct ctl_reply *r)
{
	struct ctl_header h;

	exchange(sock, &h, sizeof(h), type, NULL, 0, r, sizeof(*r));
	if (r->error)
		die("%s", r->detail);
}

static void spawn(struct vmm *v, const char *dir)
{
	struct err err = ERR_INIT;
	char *program = path_program("podflare-vmm", &err);
	const char *argv[] = { program, NULL };
	struct proc_spawn s = {
		.argv = argv, .fds = { -1, -1, 2, -1 }, .nfds = 4,
		.new_session = true, .die_with_parent = true,
	};

	v->dirfd = open(dir, O_DIRECTORY | O_CLOEXEC);
	s.fds[3] = bind_socket(v, "control");
	if (!program || listen(s.fds[3], 4) < 0 ||
	    (v->pid = proc_spawn(&s, NULL, &err)) < 0)
		die("%s", err.msg);
	close(s.fds[3]);
	free(program);
	v->sock = connect_to(v, "control");
}

void vmm_start(struct vmm *v, const char *dir, const struct vmm_options *o)
{
	struct ctl_config c = {
		.ram = o->ram, .vcpus = 1, .guest_cid = 3, .console_max = 65536,
	};
	int fds[8] = { open("/dev/kvm", O_RDWR | O_CLOEXEC) }, log;
	size_t n = 1;
	struct ctl_reply r;
	char byte = 0;

	if (fds[0] < 0)
		die("/dev/kvm: %s", strerror(errno));
	spawn(v, dir);
	fds[n++] = fork_guest_kernel(o->dirty, o->busy);
	fds[n++] = log = empty_file();
	fds[n++] = empty_file();
	v->disk = o->disk;
	if (o->disk) {
		c.nr_disks = 1;
		c.disks[0] = (struct ctl_disk){ .kind = CTL_DISK_COW };
		fds[n++] = empty_file();
		if (o->used)
			fds[n++] = full_layer(o->disk, o->used);
		fds[n++] = empty_layer(o->disk);
		c.disks[0].nr_fds = (uint32_t)n - 4;
	}
	exchange(v->sock, &c, sizeof(c), CTL_CONFIG, fds, n, &r, sizeof(r));
	if (r.error)
		die("%s", r.detail);
	while (pread(log, &byte, 1, 0) != 1 || byte != 'h')
		usleep(1000);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

void vmm_take_over(struct vmm *v, unsigned int nr, pid_t pid)
{
	close(v->sock);
	v->sock = vmm_connect(v, nr);
	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
	v->pid = pid;
}

void vmm_kill(pid_t pid)
{
	struct pollfd p = { .events = POLLIN };

	/* it is no child of ours, and who reaps it may take its time */
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	kill(pid, SIGKILL);
	if (p.fd >= 0)
		poll(&p, 1, -1);
	close(p.fd);
}

/* ---- forks ---- */

void batch_clear(struct batch *b, const struct vmm *v)
{
	*b = (struct batch){ 0 };
	if (v->disk)
		b->fds[b->nfds++] = empty_layer(v->disk);
}

void batch_add(struct batch *b, const struct vmm *v, unsigned int nr, bool hold)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", nr);
	unlinkat(v->dirfd, name, 0);
	b->fds[b->nfds++] = bind_socket(v, name);
	for (int i = 0; i < 3; i++)	/* console log, exit record, own log */
		b->fds[b->nfds++] = empty_file();
	if (v->disk)
		b->fds[b->nfds++] = empty_layer(v->disk);
	b->f.flags[b->f.n++] = hold ? CTL_FORK_HOLD : 0;
}

uint64_t batch_run(struct batch *b, int sock, pid_t *pids)
{
	union { struct ctl_header h; struct ctl_forked f; struct ctl_reply r; } m;

	exchange(sock, &b->f, sizeof(b->f), CTL_FORK, b->fds, b->nfds, &m,
		 sizeof(m));
	if (m.h.type != CTL_FORKED)
		die("%s", m.r.detail);
	for (unsigned int i = 0; i < b->f.n; i++) {
		if (m.f.error[i])
			die("%s", m.f.detail);
		pids[i] = (pid_t)m.f.pid[i];
	}
	for (size_t i = 0; i < b->nfds; i++)
		close(b->fds[i]);
	return m.f.pause_ns;
}
