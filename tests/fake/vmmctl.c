/* SPDX-License-Identifier: MIT */
/*
 * tests/fake/vmmctl.c - a control client of podflare-vmm, for tests and by hand
 *
 *	vmmctl -V podflare-vmm -k vmlinux [-i initrd]... [-d disk[:ro]]...
 *	       [-D bottom:layer[:layer]...]... [-m MIB] [-c CPUS] [-a CMDLINE]
 *	       [-l LOG] [-r RECORD] [-L LOG_MAX] [-t SECONDS] [COMMAND...]
 *
 * Starts a VMM, gives it the guest, carries out the commands one by one, then
 * prints events until the guest ends.  Commands: status, pause, resume, quit,
 * sleep:MS, agent (wait for it), connect:PORT, echo:PORT:KIB (send that
 * much, want it back), with:PORT:COMMAND (run it by the
 * shell, the connection is its descriptor 3), console (copy it to stdout from
 * here on), type:TEXT (into the attached console), kill (SIGTERM), gone (drop
 * and renew the control connection); with ! in front a command has to fail.  Exit status: 0 when the guest powered
 * off or was made to quit, 3 on any other end, 4 when a command failed, 1 else.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/loop.h"
#include "common/path.h"
#include "common/proc.h"
#include "runner/vmm/control.h"
#include "tests/fake/vmmctl-stream.h"

#define FDS_MAX (4 + CTL_MAX_INITRDS + CTL_MAX_DISKS * CTL_MAX_LAYERS)

struct client {
	struct ctl_config config;
	int fds[FDS_MAX];
	size_t nfds;
	const char *vmm, *kernel, *log, *record;
	char *initrds[CTL_MAX_INITRDS], *disks[CTL_MAX_DISKS];
	char dir[64];
	int sock, console, pidfd;
	pid_t pid;
	uint64_t start, seq, deadline;
	bool agent_up, ended;
	struct ctl_exit exit;
};

static void die(const char *what)
{
	fprintf(stderr, "vmmctl: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void die_err(const struct err *err)
{
	fprintf(stderr, "vmmctl: %s\n", err->msg);
	exit(1);
}

static double ms(const struct client *c)
{
	return (double)(now_ns() - c->start) / 1e6;
}

static void add_fd(struct client *c, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		die(path);
	if (c->nfds == FDS_MAX)
		exit(2);
	c->fds[c->nfds++] = fd;
}

/* "file", "file:ro" is raw; in -D "bottom:layer:..." is a chain. */
static void add_disk(struct client *c, struct ctl_disk *d, char *spec)
{
	char *colon = strchr(spec, ':');

	snprintf(d->id, sizeof(d->id), "disk%u",
		 (unsigned int)(d - c->config.disks));
	if (d->kind == CTL_DISK_RAW) {
		if (colon)
			*colon = 0;
		d->read_only = colon != NULL;
		d->nr_fds = 1;
		add_fd(c, spec, colon ? O_RDONLY : O_RDWR);
		return;
	}
	for (char *p = strtok(spec, ":"); p; p = strtok(NULL, ":"))
		add_fd(c, p, d->nr_fds++ ? O_RDWR : O_RDONLY);
}

static void open_files(struct client *c)
{
	add_fd(c, "/dev/kvm", O_RDWR);
	add_fd(c, c->kernel, O_RDONLY);
	add_fd(c, c->log, O_RDWR | O_CREAT | O_TRUNC);
	add_fd(c, c->record, O_RDWR | O_CREAT | O_TRUNC);
	for (uint32_t i = 0; i < c->config.nr_initrds; i++)
		add_fd(c, c->initrds[i], O_RDONLY);
	for (uint32_t i = 0; i < c->config.nr_disks; i++)
		add_disk(c, &c->config.disks[i], c->disks[i]);
}

static void parse(struct client *c, int argc, char **argv)
{
	struct ctl_config *g = &c->config;
	int o;

	while ((o = getopt(argc, argv, "V:k:i:d:D:m:c:a:l:r:L:t:")) != -1) {
		switch (o) {
		case 'V': c->vmm = optarg; break;
		case 'k': c->kernel = optarg; break;
		case 'l': c->log = optarg; break;
		case 'r': c->record = optarg; break;
		case 'L': g->console_max = strtoull(optarg, NULL, 0); break;
		case 'm': g->ram = strtoull(optarg, NULL, 0) * MIB; break;
		case 'c': g->vcpus = (uint32_t)atoi(optarg); break;
		case 't':
			c->deadline = now_ns() +
				      strtoull(optarg, NULL, 0) * 1000000000ULL;
			break;
		case 'a':
			snprintf(g->cmdline, sizeof(g->cmdline), "%s", optarg);
			break;
		case 'i':
			if (g->nr_initrds < CTL_MAX_INITRDS)
				c->initrds[g->nr_initrds++] = optarg;
			break;
		case 'd':
		case 'D':
			if (g->nr_disks == CTL_MAX_DISKS)
				break;
			g->disks[g->nr_disks].kind =
				o == 'd' ? CTL_DISK_RAW : CTL_DISK_COW;
			c->disks[g->nr_disks++] = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (!c->vmm || !c->kernel) {
		fprintf(stderr, "usage: see the head of vmmctl.c\n");
		exit(2);
	}
}

static void start_vmm(struct client *c)
{
	const char *argv[] = { c->vmm, NULL };
	struct err err = ERR_INIT;
	struct proc_spawn s = { .argv = argv, .nfds = 4 };
	int dirfd, listen_fd;

	snprintf(c->dir, sizeof(c->dir), "/tmp/vmmctl-XXXXXX");
	if (!mkdtemp(c->dir))
		die(c->dir);
	dirfd = open(c->dir, O_DIRECTORY | O_CLOEXEC);
	listen_fd = path_bind_unix(dirfd, "control", SOCK_SEQPACKET, &err);
	if (listen_fd < 0 || listen(listen_fd, 1) < 0)
		die_err(&err);
	s.fds[0] = -1;
	s.fds[1] = STDERR_FILENO;
	s.fds[2] = STDERR_FILENO;
	s.fds[3] = listen_fd;
	c->pid = proc_spawn(&s, &c->pidfd, &err);
	if (c->pid < 0)
		die_err(&err);
	close(listen_fd);
	close(dirfd);
}

static void dial(struct client *c)
{
	struct err err = ERR_INIT;
	int dirfd = open(c->dir, O_DIRECTORY | O_CLOEXEC);

	c->sock = path_connect_unix(dirfd, "control", SOCK_SEQPACKET, &err);
	if (c->sock < 0)
		die_err(&err);
	close(dirfd);
}

static void on_event(struct client *c, const struct ctl_event *ev)
{
	static const char *const kinds[] = {
		[CTL_EV_AGENT_UP] = "agent up",
		[CTL_EV_EXIT] = "exit",
		[CTL_EV_DISK_FULL] = "disk full",
	};

	printf("[%.1f ms] event: %s", ms(c),
	       ev->kind < ARRAY_SIZE(kinds) ? kinds[ev->kind] : "?");
	if (ev->kind == CTL_EV_AGENT_UP)
		c->agent_up = true;
	if (ev->kind == CTL_EV_EXIT) {
		c->exit = ev->exit;
		c->ended = true;
		printf(" reason %u %s", ev->exit.reason, ev->exit.detail);
	}
	printf("\n");
}

/* One message; an answer to @seq goes to @r. Return: true when that came. */
static bool receive(struct client *c, uint64_t seq, struct ctl_reply *r,
		    int *fd)
{
	union { struct ctl_reply r; struct ctl_event e; } m;
	size_t nfds = 1;
	ssize_t n = fdpass_recv(c->sock, &m, sizeof(m), fd, &nfds);

	if (n <= 0) {
		printf("[%.1f ms] the VMM has closed the connection\n", ms(c));
		c->ended = true;
		return false;
	}
	if (m.r.h.type == CTL_EVENT) {
		on_event(c, &m.e);
		return false;
	}
	if (m.r.h.seq != seq)
		return false;
	*r = m.r;
	return true;
}

/* Wait for the socket, the console; false at the deadline. */
static bool wait_io(struct client *c, int timeout_ms)
{
	struct pollfd p[] = {
		{ .fd = c->sock, .events = POLLIN },
		{ .fd = c->console, .events = POLLIN },
	};
	char buf[4096];

	if (c->deadline && now_ns() > c->deadline) {
		printf("[%.1f ms] deadline\n", ms(c));
		kill(c->pid, SIGKILL);
		exit(1);
	}
	fflush(stdout);
	if (poll(p, 2, MIN(timeout_ms, 200)) < 0)
		die("poll");
	if (p[1].revents) {
		ssize_t n = read(c->console, buf, sizeof(buf));

		if (n <= 0) {
			close(c->console);
			c->console = -1;
		} else if (write(STDOUT_FILENO, buf, (size_t)n) < 0) {
			die("stdout");
		}
	}
	return p[0].revents;
}

static bool request(struct client *c, void *msg, size_t len, uint32_t type,
		    const int *fds, size_t nfds, int *fd)
{
	struct ctl_header *h = msg;
	struct ctl_reply r;

	*h = (struct ctl_header){ CTL_MAGIC, type, ++c->seq };
	if (fdpass_send(c->sock, msg, len, fds, nfds) < 0)
		die("send");
	for (;;) {
		if (!wait_io(c, 1000))
			continue;
		if (receive(c, h->seq, &r, fd))
			break;
		if (c->ended)
			return false;
	}
	printf("[%.1f ms] reply: type %u error %d %s, state %u agent %u (%.1f ms) "
	       "connections %u, disk r %llu w %llu f %llu\n", ms(c), type,
	       r.error, r.detail, r.status.state, r.status.agent_up,
	       (double)r.status.agent_up_ns / 1e6, r.status.connections,
	       (unsigned long long)r.status.disk_read,
	       (unsigned long long)r.status.disk_written,
	       (unsigned long long)r.status.disk_flushes);
	return r.error == 0;
}

static bool simple(struct client *c, uint32_t type, int *fd)
{
	struct ctl_header h;

	return request(c, &h, sizeof(h), type, NULL, 0, fd);
}

static bool sleep_ms(struct client *c, int n)
{
	uint64_t end = now_ns() + (uint64_t)n * 1000000;
	struct ctl_reply r;
	int fd;

	while (!c->ended && now_ns() < end)
		if (wait_io(c, (int)((end - now_ns()) / 1000000) + 1))
			receive(c, 0, &r, &fd);
	return true;
}

static bool wait_agent(struct client *c)
{
	struct ctl_reply r;
	int fd;

	while (!c->ended && !c->agent_up)
		if (wait_io(c, 1000))
			receive(c, 0, &r, &fd);
	return c->agent_up;
}

static int dial_guest(struct client *c, const char *port)
{
	struct ctl_connect m = {
		.port = (uint32_t)atoi(port), .timeout_ms = 20000,
	};
	int fd = -1;

	if (!request(c, &m, sizeof(m), CTL_CONNECT, NULL, 0, &fd))
		return -1;
	return fd;
}

static bool do_connect(struct client *c, const char *port)
{
	int fd = dial_guest(c, port);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool do_echo(struct client *c, const char *arg)
{
	size_t got = 0, total = 0;
	uint64_t start = now_ns();
	int fd = dial_guest(c, arg);
	bool ok = fd >= 0;

	if (strchr(arg, ':'))
		total = strtoul(strchr(arg, ':') + 1, NULL, 0) * KIB;
	ok = ok && stream_echo(fd, total, &got);
	printf("[%.1f ms] echo: %s, %zu of %zu bytes in %.1f ms\n", ms(c),
	       ok ? "ok" : "FAILED", got, total,
	       (double)(now_ns() - start) / 1e6);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool do_with(struct client *c, const char *arg)
{
	const char *command = strchr(arg, ':');
	int fd = command ? dial_guest(c, arg) : -1;

	return fd >= 0 && stream_with(fd, command + 1);
}

static bool do_type(struct client *c, const char *text)
{
	ssize_t n = write(c->console, text, strlen(text));

	return n >= 0 && write(c->console, "\n", 1) == 1;
}

static bool command(struct client *c, const char *cmd)
{
	const char *arg = strchr(cmd, ':') ? strchr(cmd, ':') + 1 : "";
	int fd;

	if (strcmp(cmd, "status") == 0)
		return simple(c, CTL_STATUS, &fd);
	if (strcmp(cmd, "pause") == 0)
		return simple(c, CTL_PAUSE, &fd);
	if (strcmp(cmd, "resume") == 0)
		return simple(c, CTL_RESUME, &fd);
	if (strcmp(cmd, "quit") == 0)
		return simple(c, CTL_QUIT, &fd);
	if (strcmp(cmd, "console") == 0)
		return simple(c, CTL_CONSOLE, &c->console);
	if (strcmp(cmd, "agent") == 0)
		return wait_agent(c);
	if (strncmp(cmd, "sleep:", 6) == 0)
		return sleep_ms(c, atoi(arg));
	if (strncmp(cmd, "connect:", 8) == 0)
		return do_connect(c, arg);
	if (strncmp(cmd, "echo:", 5) == 0)
		return do_echo(c, arg);
	if (strncmp(cmd, "with:", 5) == 0)
		return do_with(c, arg);
	if (strncmp(cmd, "type:", 5) == 0)
		return do_type(c, arg);
	if (strcmp(cmd, "kill") == 0)
		return kill(c->pid, SIGTERM) == 0;
	if (strcmp(cmd, "gone") == 0) {
		close(c->sock);
		dial(c);
		return true;
	}
	fprintf(stderr, "vmmctl: unknown command %s\n", cmd);
	return false;
}

static int finish(struct client *c)
{
	struct ctl_exit record = { 0 };
	struct ctl_reply r;
	int fd, status;

	while (!c->ended)
		if (wait_io(c, 1000))
			receive(c, 0, &r, &fd);
	if (waitpid(c->pid, &status, 0) < 0)
		die("waitpid");
	if (pread(c->fds[3], &record, sizeof(record), 0) < 0)
		die("exit record");
	printf("[%.1f ms] ended: status 0x%x, record: reason %u %s\n", ms(c),
	       (unsigned int)status, record.reason, record.detail);
	return record.reason == CTL_EXIT_POWEROFF ||
	       record.reason == CTL_EXIT_QUIT ? 0 : 3;
}

int main(int argc, char **argv)
{
	static struct client c = {
		.config = {
			.ram = 256 * MIB, .vcpus = 1, .guest_cid = 3,
			.console_max = MIB,
		},
		.log = "console.log", .record = "exit.record", .console = -1,
	};
	bool ok;
	int fd;

	parse(&c, argc, argv);
	open_files(&c);
	start_vmm(&c);
	dial(&c);
	c.start = now_ns();
	ok = request(&c, &c.config, sizeof(c.config), CTL_CONFIG, c.fds,
		     c.nfds, &fd);
	for (int i = optind; ok && i < argc && !c.ended; i++)
		ok = *argv[i] == '!' ? !command(&c, argv[i] + 1)
				     : command(&c, argv[i]);
	if (!ok && !c.ended)
		kill(c.pid, SIGTERM);
	fd = finish(&c);
	unlinkat(AT_FDCWD, c.dir, AT_REMOVEDIR);
	return ok ? fd : 4;
}
