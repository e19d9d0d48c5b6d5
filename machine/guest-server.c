/* SPDX-License-Identifier: MIT */
/*
 * machine/guest-server.c - the multiplexer's server inside the machine
 *
 * A process of its own below process 1, one thread, root.  Each channel gets a
 * child process that serves it over a socket pair; this one only copies.
 * Trusts the host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "machine/guest.h"
#include "machine/port.h"
#include "machine/relay.h"

#define PORTS "/sys/class/virtio-ports"
#define PORT_WAIT_MS 10000

struct server {
	struct loop loop;
	struct port port;
};

static const struct {
	const char *kind;
	int (*serve)(int fd);
} kinds[] = {
	{ "runner", guest_runner },
	{ "shell", guest_shell },
	{ "poweroff", guest_poweroff },
	{ "clock", guest_clock },
	{ "config", guest_config },
};

/* The child of a channel: nothing of the server's stays open. */
static void child(int (*serve)(int), int fd)
{
	CLEANUP_FD int oom = -1;

	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	dup2(fd, 3);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, 4, ~0U, 0);
	oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (oom >= 0 && write(oom, "0", 1) < 0)
		log_warn("oom_score_adj: %s", strerror(errno));
	_exit(serve(3));
}

static void serve_channel(struct server *s, struct mux_chan *ch,
			  int (*serve)(int))
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_error("socketpair: %s", strerror(errno));
		mux_close(ch);
		return;
	}
	pid = fork();
	if (pid == 0)
		child(serve, pair[1]);
	if (pid < 0)
		log_error("fork: %s", strerror(errno));
	close(pair[1]);
	/* without a child the host reads the end of the stream */
	relay_start(&s->loop, ch, pair[0]);
}

static void on_opened(struct mux_chan *ch, const char *kind)
{
	struct port *p = container_of(ch->mux, struct port, mux);
	struct server *s = container_of(p, struct server, port);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kind, kinds[i].kind) == 0) {
			serve_channel(s, ch, kinds[i].serve);
			return;
		}
	}
	mux_close(ch);
}

static void on_session(struct mux *m, bool up)
{
	log_debug("session %s", up ? "begins" : "ends");
}

static const struct mux_ops ops = {
	.session = on_session,
	.opened = on_opened,
	.input = relay_input,
	.output = relay_output,
	.gone = relay_gone,
};

/* The port's name is in sysfs: /sys/class/virtio-ports/vport1p1/name */
static int find_port(char *dev, size_t size)
{
	CLEANUP_DIR DIR *d = opendir(PORTS);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		CLEANUP_BUF struct buf name = BUF_INIT;
		char path[PATH_MAX];

		snprintf(path, sizeof(path), PORTS "/%s/name", e->d_name);
		if (path_read_file(AT_FDCWD, path, 256, &name, NULL) < 0)
			continue;
		if (strcmp(buf_str(&name), GUEST_PORT "\n") != 0)
			continue;
		snprintf(dev, size, "/dev/%s", e->d_name);
		return 0;
	}
	return -1;
}

static int open_port(struct err *err)
{
	const struct timespec tick = { 0, 20 * 1000000 };
	char dev[PATH_MAX];
	int fd;

	for (int ms = 0; find_port(dev, sizeof(dev)) < 0; ms += 20) {
		if (ms >= PORT_WAIT_MS)
			return err_set(err, ERR_IO,
				       "no virtio-serial port " GUEST_PORT);
		nanosleep(&tick, NULL);
	}
	fd = open(dev, O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(err, errno, "%s", dev);
}

int guest_serve(void)
{
	struct server s = { 0 };
	struct err err = ERR_INIT;
	int fd;

	signal(SIGCHLD, SIG_IGN);	/* children reap themselves */
	signal(SIGPIPE, SIG_IGN);
	fd = open_port(&err);
	if (fd < 0 || loop_init(&s.loop, &err) < 0 ||
	    port_start(&s.port, &s.loop, fd, MUX_GUEST, &ops, &err) < 0) {
		log_error("server: %s", err.msg);
		return 1;
	}
	do {
		port_flush(&s.port);
	} while (loop_once(&s.loop, -1) == 0);
	return 1;
}
