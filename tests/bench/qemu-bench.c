/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/qemu-bench.c - measure how QEMU restores a tiny guest, print JSON
 *
 * To have something beside the figures of fork-bench.c: the same RAM, the same
 * part of it written to, saved to a file once and restored again and again, from
 * the start of the process to the guest's first output.  In two ways:
 *
 *	stream	RAM is in the file with the state, and is read
 *	mapped	RAM is a file of its own, which is mapped privately
 *
 * All files are in memory.  The guest is a ROM, so no firmware takes part.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/proc.h"
#include "tests/bench/fork-guest.h"
#include "tests/bench/series.h"

#define PROGRAM "qemu-system-x86_64"
#define ARGS_MAX 40
#define TIMEOUT_MS 20000

struct options {
	unsigned int rounds;
	uint64_t ram, dirty;	/* bytes */
	const char *machine;
};

struct bench {
	const struct options *o;
	const char *accel;
	bool mapped;
	int rom, state, memory;	/* files in memory */
};

struct qemu {
	pid_t pid;
	int in, out;	/* its monitor's input, its debug console's output */
};

static int empty_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0)
		die("memfd: %s", strerror(errno));
	return fd;
}

/* Its path as other processes of ours see it. */
static const char *path_of(int fd, char *buf, size_t size)
{
	snprintf(buf, size, "/proc/%d/fd/%d", getpid(), fd);
	return buf;
}

static void start(struct qemu *q, const struct bench *b, bool incoming)
{
	char rom[64], ram[32], machine[64], object[160], path[64];
	const char *argv[ARGS_MAX] = {
		PROGRAM, "-nodefaults", "-no-user-config", "-display", "none",
		"-cpu", "qemu64", "-smp", "1", "-accel", b->accel,
		"-chardev", "file,id=out,path=/dev/fd/3",
		"-device", "isa-debugcon,iobase=0xe9,chardev=out",
		"-monitor", "stdio",
		"-m", ram, "-bios", path_of(b->rom, rom, sizeof(rom)),
		"-machine", machine,
	};
	size_t n = 23;
	struct proc_spawn s = {
		.argv = argv, .fds = { -1, -1, -1, -1 }, .nfds = 4,
		.die_with_parent = true,
	};
	struct err err = ERR_INIT;
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	s.fds[0] = in[0];
	s.fds[3] = out[1];
	snprintf(ram, sizeof(ram), "%llu",
		 (unsigned long long)(b->o->ram / MIB));
	snprintf(machine, sizeof(machine), "%s%s", b->o->machine,
		 b->mapped ? ",memory-backend=ram" : "");
	if (b->mapped) {
		snprintf(object, sizeof(object), "memory-backend-file,id=ram,"
			 "size=%sM,mem-path=%s,share=%s", ram,
			 path_of(b->memory, path, sizeof(path)),
			 incoming ? "off" : "on");
		argv[n++] = "-object";
		argv[n++] = object;
	}
	if (incoming) {
		argv[n++] = "-incoming";
		argv[n++] = "defer";
	}
	q->pid = proc_spawn(&s, NULL, &err);
	if (q->pid < 0)
		die("%s", err.msg);
	close(in[0]);
	close(out[1]);
	q->in = in[1];
	q->out = out[0];
}

/* Return: false when nothing came in time. */
static bool wait_output(const struct qemu *q)
{
	struct pollfd p = { .fd = q->out, .events = POLLIN };
	char c;

	return poll(&p, 1, TIMEOUT_MS) == 1 && read(q->out, &c, 1) == 1 &&
	       c == 'h';
}

static void tell(const struct qemu *q, const char *line)
{
	if (write(q->in, line, strlen(line)) != (ssize_t)strlen(line))
		die("monitor: %s", strerror(errno));
}

static void stop(struct qemu *q)
{
	kill(q->pid, SIGKILL);
	waitpid(q->pid, NULL, 0);
	close(q->in);
	close(q->out);
}

/* Until it ends by itself. */
static bool drain(struct qemu *q)
{
	struct pollfd p = { .fd = q->out, .events = POLLIN };
	char buf[65536];

	while (poll(&p, 1, TIMEOUT_MS) == 1)
		if (read(q->out, buf, sizeof(buf)) <= 0)
			return true;
	return false;
}

/* RAM that is shared is not put into the state. */
static void ignore_shared(const struct qemu *q, const struct bench *b)
{
	if (b->mapped)
		tell(q, "migrate_set_capability x-ignore-shared on\n");
}

/* Run the guest to its output, save it while it goes on with that: stopped, it
 * would be restored stopped. Return: false when it does not work. */
static bool save(const struct bench *b)
{
	char line[128], path[64];
	struct qemu q;
	bool good;

	start(&q, b, false);
	good = wait_output(&q);
	if (good) {
		ignore_shared(&q, b);
		snprintf(line, sizeof(line),
			 "migrate \"exec:cat >%s\"\nquit\n",
			 path_of(b->state, path, sizeof(path)));
		tell(&q, line);
		good = drain(&q) && lseek(b->state, 0, SEEK_END) > 0;
	}
	stop(&q);
	return good;
}

static void restore(const struct bench *b, struct series *s)
{
	char line[128], path[64];
	uint64_t began = now_ns();
	struct qemu q;

	start(&q, b, true);
	ignore_shared(&q, b);
	snprintf(line, sizeof(line), "migrate_incoming \"exec:cat %s\"\n",
		 path_of(b->state, path, sizeof(path)));
	tell(&q, line);
	if (!wait_output(&q))
		die("QEMU did not restore the guest");
	series_add(s, now_ns() - began);
	stop(&q);
}

static void measure(struct bench *b, struct series *s)
{
	if (ftruncate(b->state, 0) < 0 ||
	    ftruncate(b->memory, b->mapped ? (off_t)b->o->ram : 0) < 0)
		die("file: %s", strerror(errno));
	if (!save(b) && !b->mapped) {
		b->accel = "tcg";
		if (ftruncate(b->state, 0) < 0 || !save(b))
			die("QEMU does not run the guest");
	}
	for (unsigned int i = 0; i < b->o->rounds; i++)
		restore(b, s);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option opts[] = {
		{ "rounds", 1, NULL, 'r' }, { "memory", 1, NULL, 'm' },
		{ "dirty", 1, NULL, 'd' }, { "machine", 1, NULL, 't' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1)
		switch (c) {
		case 'r':
			o->rounds = (unsigned int)atoi(optarg);
			break;
		case 'm':
			o->ram = strtoull(optarg, NULL, 10) * MIB;
			break;
		case 'd':
			o->dirty = strtoull(optarg, NULL, 10) * MIB;
			break;
		case 't':
			o->machine = optarg;
			break;
		default:
			die("usage: podflare-qemu-bench [--rounds N] "
			    "[--memory MIB] [--dirty MIB] [--machine TYPE]");
		}
	if (o->rounds < 1 || o->rounds > SERIES_MAX)
		die("rounds: 1 to %d", SERIES_MAX);
}

int main(int argc, char **argv)
{
	static uint8_t rom[FORK_GUEST_ROM];
	static struct series stream, mapped;
	struct options o = {
		.rounds = 20, .ram = 512 * MIB, .dirty = 256 * MIB,
		.machine = "microvm",
	};
	struct bench b = { .o = &o, .accel = "kvm" };

	parse(argc, argv, &o);
	log_init("podflare-qemu-bench", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	b.rom = empty_file();
	b.state = empty_file();
	b.memory = empty_file();
	fork_guest_rom(rom, o.dirty);
	if (write(b.rom, rom, sizeof(rom)) != (ssize_t)sizeof(rom))
		die("ROM: %s", strerror(errno));
	measure(&b, &stream);
	b.mapped = true;
	measure(&b, &mapped);
	printf("{\"accel\": \"%s\", \"machine\": \"%s\", \"memory_mib\": %llu, "
	       "\"dirty_mib\": %llu, \"rounds\": %u, ", b.accel, o.machine,
	       (unsigned long long)(o.ram / MIB),
	       (unsigned long long)(o.dirty / MIB), o.rounds);
	series_print(&stream, "stream_ms");
	printf(", ");
	series_print(&mapped, "mapped_ms");
	printf("}\n");
	return 0;
}
