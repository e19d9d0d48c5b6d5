/* SPDX-License-Identifier: MIT */
/*
 * cli/term.h - the user's terminal
 *
 * Raw mode is undone on every way out: exit(3), return, fatal signals.
 */
#ifndef PODFLARE_CLI_TERM_H
#define PODFLARE_CLI_TERM_H

#include <stdbool.h>

#include "common/err.h"

/* Return: 0 with the size of the terminal at @fd, -1 when it is none. */
int term_size(int fd, unsigned int *rows, unsigned int *cols);
/* Columns of stdout or stderr, 0 when it is no terminal; $COLUMNS wins. */
size_t term_columns(int fd);
/* Raw mode on @fd, once per process; again after term_restore().
 * Return: 0, or -1 with @err. */
int term_raw(int fd, struct err *err);
/* Safe in a signal handler and when nothing was changed. */
void term_restore(void);

#endif
