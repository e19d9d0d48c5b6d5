/* SPDX-License-Identifier: MIT */
/* guest-init/environ.h - a command's environment, and finding its program */
#ifndef PODFLARE_GUEST_ENVIRON_H
#define PODFLARE_GUEST_ENVIRON_H

#include <stdbool.h>

#include "guest-init/user.h"

struct environment {
	char **vars;	/* "K=V", NULL at the end */
	size_t len, cap;
};

/* The base: PATH HOME USER LOGNAME SHELL TERM LANG. Return: 0, or -1 with errno. */
int environ_base(struct environment *e, const struct user *u, bool tty);
/* @param assignment "K=V", not copied; takes the place of an older K. Without
 * '=' it takes K out. Return: 0, or -1 with errno. */
int environ_put(struct environment *e, char *assignment);
const char *environ_get(const struct environment *e, const char *name);
/*
 * execve(2) with the program looked for in the environment's PATH, as execvp(3)
 * does, but never through a shell. Returns only on failure.
 * Return: 127 when there is no such program, 126 when it cannot be executed;
 * @err says why.
 */
int environ_exec(const struct environment *e, const char *program,
		 char *const argv[], struct err *err);

#endif
