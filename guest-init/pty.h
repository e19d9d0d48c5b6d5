/* SPDX-License-Identifier: MIT */
/* guest-init/pty.h - pseudo terminals, and the console's */
#ifndef PODFLARE_GUEST_PTY_H
#define PODFLARE_GUEST_PTY_H

#include <stdint.h>
#include <sys/types.h>

struct pty {
	int master;	/* non-blocking */
	int slave;	/* held open, so that the master never sees a hang-up */
};

/* @param rows, cols 0: 24 by 80. Return: 0, or -1 with errno. */
int pty_open(struct pty *p, uint32_t rows, uint32_t cols);
void pty_resize(int master, uint32_t rows, uint32_t cols);
/* The foreground process group. Return: -1 when there is none. */
pid_t pty_foreground(int master);
/* In the child, after setsid(2): @fd becomes its terminal, and its descriptors
 * 0, 1 and 2. Return: 0, or -1 with errno. */
int pty_attach(int fd);

#endif
