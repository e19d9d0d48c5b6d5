/* SPDX-License-Identifier: MIT */
/* machine/shell-child.h - the command of guest-shell.c as a process */
#ifndef PODFLARE_MACHINE_SHELL_CHILD_H
#define PODFLARE_MACHINE_SHELL_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct shell_child {
	pid_t pid;	/* leads its own session and process group */
	int pidfd;
	bool tty;	/* then in and out are the pty's master, err is -1 */
	int in, out, err;	/* non-blocking; -1: none, or ended */
};

/* Start what the payload (@data, @len) of an AGENT_EXEC frame says. A program
 * that cannot be executed is not an error: the child ends with 126 or 127.
 * Return: 0, or -1 with @err. */
int shell_child_start(struct shell_child *c, const void *data, size_t len,
		      struct err *err);
/* No more input: close the pipe, or send the terminal its end-of-file. */
void shell_child_stdin_eof(struct shell_child *c);

#endif
