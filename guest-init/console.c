/* SPDX-License-Identifier: MIT */
/*
 * guest-init/console.c - a root shell on the serial console, on request
 *
 * Pid 1.  The port's other end is the host's user, who may do anything here.
 * Theory of operation: pid 1 holds the port, in line mode, and never writes to
 * it.  A line makes it start a login shell there.  The end of a session leader
 * hangs its terminal up, so the port is opened anew afterwards.
 */
#include "guest-init/console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "guest-init/environ.h"
#include "guest-init/pty.h"
#include "guest-init/spawn.h"

static void wait_for_enter(struct console *c);

static void on_shell_ended(struct agent_child *child, int wstatus)
{
	struct console *c = container_of(child, struct console, shell);

	close(c->fd);
	wait_for_enter(c);
}

/* Settings as after login, whatever the last shell left behind. @echo ECHO or 0.
 * Return: -1 when there is no port behind this device. */
static int set_line_mode(int fd, tcflag_t echo)
{
	struct termios tio;

	if (tcgetattr(fd, &tio) < 0)
		return -1;
	tio.c_iflag |= ICRNL | IXON | IUTF8;
	tio.c_oflag |= OPOST | ONLCR;
	tio.c_cflag |= CREAD | CLOCAL | HUPCL;
	tio.c_lflag |= ICANON | ISIG | IEXTEN | ECHOE | ECHOK;
	tio.c_lflag = (tio.c_lflag & ~(tcflag_t)ECHO) | echo;
	return tcsetattr(fd, TCSANOW, &tio);
}

static void run_shell(const char *port) __attribute__((noreturn));
static void run_shell(const char *port)
{
	struct environment e = { 0 };
	struct err err = ERR_INIT;
	struct user u;
	char *argv[2] = { "-bash", NULL };
	int fd;

	setsid();
	fd = open(port, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pty_attach(fd) < 0)
		_exit(1);
	set_line_mode(fd, ECHO);
	spawn_reset();
	user_lookup(&u, "/etc", "root", &err);
	if (chdir(u.home) < 0 && chdir("/") < 0)
		_exit(1);
	environ_base(&e, &u, true);
	environ_put(&e, "TERM=vt220");
	environ_exec(&e, "/bin/bash", argv, &err);
	argv[0] = "-sh";
	environ_exec(&e, "/bin/sh", argv, &err);
	_exit(127);
}

static void on_line(struct loop_watch *w, uint32_t events)
{
	struct console *c = container_of(w, struct console, watch);
	char line[256];
	ssize_t n = read(c->fd, line, sizeof(line));
	pid_t pid = -1;
	int group;

	/* an end of file that was typed is no line; the port's hangs up too */
	if (n < 0 ? errno == EAGAIN : n == 0 && !(events & EPOLLHUP))
		return;
	loop_del(&c->agent->loop, w);
	if (n > 0) {
		group = cgroup_make(&c->agent->cgroup, CGROUP_CONSOLE);
		pid = spawn_fork(group);
		if (pid == 0)
			run_shell(c->port);
		if (group >= 0)
			close(group);
	}
	if (pid > 0) {
		agent_add_child(c->agent, &c->shell, pid);
		return;
	}
	close(c->fd);
	if (n > 0)
		wait_for_enter(c);	/* no process to be had now */
}

static void wait_for_enter(struct console *c)
{
	c->watch = (struct loop_watch){ .fd = -1, .cb = on_line };
	c->shell.ended = on_shell_ended;
	c->fd = open(c->port, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (c->fd < 0)
		return;
	/* unseen, or the shell's prompt would come after an empty line */
	if (set_line_mode(c->fd, 0) < 0 ||
	    loop_add(&c->agent->loop, &c->watch, c->fd, EPOLLIN) < 0)
		close(c->fd);
}

void console_start(struct console *c, struct agent *a, const char *port)
{
	c->agent = a;
	c->port = port;
	wait_for_enter(c);
}
