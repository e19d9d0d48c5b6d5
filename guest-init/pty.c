/* SPDX-License-Identifier: MIT */
/*
 * guest-init/pty.c - pseudo terminals, and the console's
 *
 * Pid 1, and its children on their way to a command.
 */
#include "guest-init/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"

int pty_open(struct pty *p, uint32_t rows, uint32_t cols)
{
	CLEANUP_FD int master = open("/dev/ptmx", O_RDWR | O_NOCTTY |
				     O_NONBLOCK | O_CLOEXEC);
	struct termios tio;
	int slave, unlocked = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return -1;
	/* not by its name, which depends on what is mounted where */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -1;
	if (tcgetattr(slave, &tio) == 0) {
		tio.c_iflag |= IUTF8;
		tcsetattr(slave, TCSANOW, &tio);
	}
	pty_resize(master, rows ? rows : 24, cols ? cols : 80);
	p->master = steal_fd(&master);
	p->slave = slave;
	return 0;
}

void pty_resize(int master, uint32_t rows, uint32_t cols)
{
	const struct winsize ws = {
		.ws_row = (unsigned short)rows,
		.ws_col = (unsigned short)cols,
	};

	ioctl(master, TIOCSWINSZ, &ws);
}

pid_t pty_foreground(int master)
{
	pid_t group;

	if (ioctl(master, TIOCGPGRP, &group) < 0 || group <= 1)
		return -1;
	return group;
}

int pty_attach(int fd)
{
	if (ioctl(fd, TIOCSCTTY, 0) < 0)
		return -1;
	for (int to = STDIN_FILENO; to <= STDERR_FILENO; to++)
		if (dup2(fd, to) < 0)
			return -1;
	return 0;
}
