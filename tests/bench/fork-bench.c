/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/fork-bench.c - measure live forks of a VMM, print JSON
 *
 * podflare-vmm itself, on any /dev/kvm, with a guest of a few instructions that
 * has written to a given part of its RAM and is idle.
 * Figures are from the request at the control socket to a child's first exit,
 * and how long the parent stood still.  docs/performance.md says what they mean.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cowfmt.h"
#include "common/fdpass.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/path.h"
#include "common/proc.h"
#include "runner/vmm/control.h"

#define CHILDREN_MAX 100
#define LOAD 0x1000000
#define DIRTY_FROM 0x2000000	/* bytes */
#define PER_CHILD 5		/* descriptors */

struct options {
	unsigned int children, rounds;
	uint64_t ram, dirty, disk;	/* bytes */
	bool held;
};

struct vmm {
	int dirfd, sock, log;
	pid_t pid;
	uint64_t seq;
};

struct figures {
	uint64_t first[1000], last[1000], pause[1000];
	unsigned int n;
};

static void PRINTF(1, 2) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static int empty_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0)
		die("memfd: %s", strerror(errno));
	return fd;
}

/* The guest: write a byte to each page, then wait for interrupts of COM1, which
 * it never acknowledges there.  In a copy that line is raised again, since an
 * edge might have been under way: that wakes it, and it reads a port.  So an idle
 * guest is measured, which takes no CPU before the fork or after. */
static const uint8_t dirty_code[] = {
	0x48, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0,	/* rdi = DIRTY_FROM */
	0xb9, 0, 0, 0, 0,			/* ecx = pages */
	0xc6, 0x07, 0x01,			/* [rdi] = 1 */
	0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,	/* rdi += 4096 */
	0xff, 0xc9, 0x75, 0xf2,			/* while (--ecx) */
};

static const uint8_t idle_code[] = {
	0x48, 0xc7, 0xc4, 0x00, 0x00, 0xf0, 0x01,	/* rsp = 31 MiB */
	0x0f, 0x01, 0x1c, 0x25, 0x00, 0x08, 0x00, 0x01,	/* lidt [IDTR] */
	/* PIC: vectors from 0x20, only IRQ 4 */
	0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21,
	0xb0, 0x01, 0xe6, 0x21, 0xb0, 0xef, 0xe6, 0x21,
	/* COM1: interrupt when it can send; send 'h' */
	0xba, 0xf9, 0x03, 0x00, 0x00, 0xb0, 0x02, 0xee,
	0xba, 0xf8, 0x03, 0x00, 0x00, 0xb0, 0x68, 0xee,
	0xfb, 0xf4, 0xeb, 0xfd,				/* sti; hlt for ever */
};

static const uint8_t irq_code[] = {
	0x50, 0x52, 0xba, 0xfd, 0x03, 0x00, 0x00, 0xec,	/* read a port */
	0xb0, 0x20, 0xe6, 0x20, 0x5a, 0x58, 0x48, 0xcf,	/* EOI, iretq */
};

#define CODE_IDLE 64
#define CODE_IRQ 256
#define IDTR 0x800
#define IDT 0x1000
#define VECTOR 0x24

struct guest_image {
	Elf64_Ehdr h;
	Elf64_Phdr p;
	uint8_t text[IDT + 16 * (VECTOR + 1)];
};

/* SDM 3A 6.14.1: a 64-bit interrupt gate. */
static void set_gate(uint8_t *gate, uint32_t handler)
{
	const uint16_t words[8] = {
		(uint16_t)handler, 0x10, 0x8e00, (uint16_t)(handler >> 16),
	};

	memcpy(gate, words, sizeof(words));
}

static int make_kernel(uint64_t dirty)
{
	static struct guest_image k = {
		.h = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				     ELFDATA2LSB },
			.e_type = ET_EXEC, .e_machine = EM_X86_64,
			.e_phoff = sizeof(k.h), .e_phentsize = sizeof(k.p),
			.e_phnum = 1,
		},
		.p = {
			.p_type = PT_LOAD, .p_paddr = LOAD,
			.p_offset = sizeof(k.h) + sizeof(k.p),
			.p_filesz = sizeof(k.text), .p_memsz = sizeof(k.text),
		},
	};
	const uint64_t from = DIRTY_FROM, idt = LOAD + IDT;
	const uint32_t pages = (uint32_t)(dirty / 4096);
	const uint16_t limit = sizeof(k.text) - IDT - 1;
	int fd = empty_file();

	memset(k.text, 0x90, CODE_IDLE);	/* nop */
	memcpy(k.text, dirty_code, sizeof(dirty_code));
	memcpy(k.text + 2, &from, sizeof(from));
	memcpy(k.text + 11, &pages, sizeof(pages));
	memcpy(k.text + CODE_IDLE, idle_code, sizeof(idle_code));
	memcpy(k.text + CODE_IRQ, irq_code, sizeof(irq_code));
	memcpy(k.text + IDTR, &limit, sizeof(limit));
	memcpy(k.text + IDTR + 2, &idt, sizeof(idt));
	set_gate(k.text + IDT + 16 * VECTOR, LOAD + CODE_IRQ);
	k.h.e_entry = LOAD + (pages ? 0 : CODE_IDLE);
	if (write(fd, &k, sizeof(k)) != (ssize_t)sizeof(k))
		die("kernel: %s", strerror(errno));
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

static void order(int sock, uint32_t type, struct ctl_reply *r)
{
	struct ctl_header h;

	exchange(sock, &h, sizeof(h), type, NULL, 0, r, sizeof(*r));
	if (r->error)
		die("%s", r->detail);
}

static void start(struct vmm *v, const char *dir, const struct options *o)
{
	struct err err = ERR_INIT;
	char *program = path_program("podflare-vmm", &err);
	const char *argv[] = { program, NULL };
	struct proc_spawn s = {
		.argv = argv, .fds = { -1, -1, 2, -1 }, .nfds = 4,
		.new_session = true, .die_with_parent = true,
	};
	struct ctl_config c = {
		.ram = o->ram, .vcpus = 1, .guest_cid = 3, .console_max = 65536,
	};
	int fds[6] = { open("/dev/kvm", O_RDWR | O_CLOEXEC) };
	struct ctl_reply r;
	char byte = 0;

	v->dirfd = open(dir, O_DIRECTORY | O_CLOEXEC);
	s.fds[3] = bind_socket(v, "control");
	if (!program || listen(s.fds[3], 4) < 0 ||
	    (v->pid = proc_spawn(&s, NULL, &err)) < 0)
		die("%s", err.msg);
	v->sock = connect_to(v, "control");
	fds[1] = make_kernel(o->dirty);
	v->log = fds[2] = empty_file();
	fds[3] = empty_file();
	if (o->disk) {
		c.nr_disks = 1;
		c.disks[0] = (struct ctl_disk){ CTL_DISK_COW, 0, 2 };
		fds[4] = empty_file();
		fds[5] = empty_file();
		if (cow_format_create(fds[5], o->disk, &err) < 0)
			die("%s", err.msg);
	}
	exchange(v->sock, &c, sizeof(c), CTL_CONFIG, fds, o->disk ? 6 : 4, &r,
		 sizeof(r));
	if (r.error)
		die("%s", r.detail);
	while (pread(v->log, &byte, 1, 0) != 1 || byte != 'h')
		usleep(1000);
}

/* A fork's descriptors, made before the clock runs. */
struct batch {
	struct ctl_fork f;
	int fds[CTL_MAX_FDS];
	size_t nfds;
	unsigned int n;
};

static int layer(const struct options *o)
{
	struct err err = ERR_INIT;
	int fd = empty_file();

	if (cow_format_create(fd, o->disk, &err) < 0)
		die("%s", err.msg);
	return fd;
}

static void prepare(struct batch *b, const struct vmm *v,
		    const struct options *o, unsigned int first,
		    unsigned int n, bool hold)
{
	*b = (struct batch){ .n = n, .f.n = n };
	if (o->disk)
		b->fds[b->nfds++] = layer(o);
	for (unsigned int i = 0; i < n; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", first + i);
		unlinkat(v->dirfd, name, 0);
		b->fds[b->nfds++] = bind_socket(v, name);
		for (int j = 1; j < PER_CHILD - 1; j++)
			b->fds[b->nfds++] = empty_file();
		if (o->disk)
			b->fds[b->nfds++] = layer(o);
		b->f.flags[i] = hold ? CTL_FORK_HOLD : 0;
	}
}

/* Return: the parent's pause in ns. */
static uint64_t run_batch(struct batch *b, int sock, pid_t *pids)
{
	union { struct ctl_header h; struct ctl_forked f; struct ctl_reply r; } m;

	exchange(sock, &b->f, sizeof(b->f), CTL_FORK, b->fds, b->nfds, &m,
		 sizeof(m));
	if (m.h.type != CTL_FORKED)
		die("%s", m.r.detail);
	for (unsigned int i = 0; i < b->n; i++) {
		if (m.f.error[i])
			die("%s", m.f.detail);
		pids[i] = (pid_t)m.f.pid[i];
	}
	for (size_t i = 0; i < b->nfds; i++)
		close(b->fds[i]);
	return m.f.pause_ns;
}

static uint64_t first_exit(const struct vmm *v, unsigned int child)
{
	struct ctl_reply r;
	char name[16];
	int sock;

	snprintf(name, sizeof(name), "%u", child);
	sock = connect_to(v, name);
	do
		order(sock, CTL_STATUS, &r);
	while (r.status.first_exit_ns == 0);
	close(sock);
	return r.status.first_exit_ns;
}

static void wait_gone(pid_t pid)
{
	struct pollfd p = { .events = POLLIN };

	/* it is no child of ours, and who reaps it may take its time */
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	kill(pid, SIGKILL);
	if (p.fd >= 0)
		poll(&p, 1, -1);
	close(p.fd);
}

/* One fork into o->children, from @sock. */
static void measure_once(const struct vmm *v, int sock,
			 const struct options *o, struct figures *f)
{
	static struct batch batches[CHILDREN_MAX / CTL_FORK_MAX + 1];
	pid_t pids[CHILDREN_MAX];
	unsigned int nr = 0, done = 0;
	uint64_t began, first = ~0ULL, last = 0, pause = 0;

	for (unsigned int at = 0; at < o->children; nr++) {
		unsigned int n = MIN(o->children - at, CTL_FORK_MAX);

		prepare(&batches[nr], v, o, at, n, false);
		at += n;
	}
	began = now_ns();
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t p = run_batch(&batches[i], sock, pids + done);

		pause = MAX(pause, p);
		done += batches[i].n;
	}
	for (unsigned int i = 0; i < o->children; i++) {
		uint64_t at = first_exit(v, i) - began;

		first = MIN(first, at);
		last = MAX(last, at);
	}
	for (unsigned int i = 0; i < o->children; i++)
		wait_gone(pids[i]);
	f->first[f->n] = first;
	f->last[f->n] = last;
	f->pause[f->n++] = pause;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print(const char *name, uint64_t *ns, unsigned int n,
		  const char *end)
{
	qsort(ns, n, sizeof(*ns), by_value);
	printf("\"%s\": {\"min\": %.3f, \"p50\": %.3f, \"p95\": %.3f, "
	       "\"max\": %.3f}%s", name, (double)ns[0] / 1e6,
	       (double)ns[n / 2] / 1e6, (double)ns[n * 95 / 100] / 1e6,
	       (double)ns[n - 1] / 1e6, end);
}

static uint64_t mib(const char *s)
{
	return strtoull(s, NULL, 10) * MIB;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option opts[] = {
		{ "children", 1, NULL, 'n' }, { "rounds", 1, NULL, 'r' },
		{ "memory", 1, NULL, 'm' }, { "dirty", 1, NULL, 'd' },
		{ "disk", 1, NULL, 'k' }, { "held", 0, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1)
		switch (c) {
		case 'n':
			o->children = (unsigned int)atoi(optarg);
			break;
		case 'r':
			o->rounds = (unsigned int)atoi(optarg);
			break;
		case 'm':
			o->ram = mib(optarg);
			break;
		case 'd':
			o->dirty = mib(optarg);
			break;
		case 'k':
			o->disk = mib(optarg);
			break;
		case 'h':
			o->held = true;
			break;
		default:
			die("usage: podflare-fork-bench [--children N] "
			    "[--rounds N] [--memory MIB] [--dirty MIB] "
			    "[--disk MIB] [--held]");
		}
	if (o->children < 1 || o->children > CHILDREN_MAX || o->rounds < 1 ||
	    o->rounds > ARRAY_SIZE(((struct figures *)0)->first))
		die("children: 1 to %d", CHILDREN_MAX);
}

int main(int argc, char **argv)
{
	static struct figures f;
	struct options o = {
		.children = 1, .rounds = 100, .ram = 512 * MIB,
		.dirty = 256 * MIB,
	};
	char dir[] = "/tmp/podflare-fork-XXXXXX";
	struct err err = ERR_INIT;
	struct vmm v;
	int sock;

	parse(argc, argv, &o);
	log_init("podflare-fork-bench", LOG_INFO);
	if (!mkdtemp(dir))
		die("%s: %s", dir, strerror(errno));
	start(&v, dir, &o);
	sock = v.sock;
	if (o.held) {
		struct batch b;
		pid_t pid;

		prepare(&b, &v, &o, 1000, 1, true);
		run_batch(&b, v.sock, &pid);
		sock = connect_to(&v, "1000");
		kill(v.pid, SIGKILL);
		waitpid(v.pid, NULL, 0);
		v.pid = pid;
	}
	for (unsigned int i = 0; i < o.rounds; i++)
		measure_once(&v, sock, &o, &f);
	kill(v.pid, SIGKILL);
	printf("{\"memory_mib\": %llu, \"dirty_mib\": %llu, \"disk_mib\": %llu, "
	       "\"children\": %u, \"held\": %s, \"rounds\": %u,\n ",
	       (unsigned long long)(o.ram / MIB),
	       (unsigned long long)(o.dirty / MIB),
	       (unsigned long long)(o.disk / MIB), o.children,
	       o.held ? "true" : "false", o.rounds);
	print("first_ms", f.first, f.n, ",\n ");
	print("last_ms", f.last, f.n, ",\n ");
	print("pause_ms", f.pause, f.n, "}\n");
	path_remove_tree(AT_FDCWD, dir, &err);
	return 0;
}
