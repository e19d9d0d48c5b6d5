/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/exitrec.h - the exit record: why this VMM ended by itself
 */
#ifndef PODFLARE_VMM_EXITREC_H
#define PODFLARE_VMM_EXITREC_H

#include "runner/vmm/control.h"

/* Fill in a record; @detail is cut to what fits. */
void exitrec_fill(struct ctl_exit *x, enum ctl_exit_reason reason,
		  const char *detail);
/* Write it to @fd (-1: nowhere). Return: 0, or -1 with errno. */
int exitrec_write(int fd, const struct ctl_exit *x);
/* Should this process crash (BUG() or a fault), its handler writes a record with
 * CTL_EXIT_BUG to @fd. Return: 0, or -1 with errno. */
int exitrec_watch_crash(int fd);
/* "powered off", ... for logs. */
const char *exitrec_reason(enum ctl_exit_reason reason);

#endif
