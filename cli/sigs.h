/* SPDX-License-Identifier: MIT */
/* cli/sigs.h - signals as events of a poll loop */
#ifndef PODFLARE_CLI_SIGS_H
#define PODFLARE_CLI_SIGS_H

#include <signal.h>

#include "common/err.h"

struct sigs {
	int fd;		/* readable when a signal came, -1: not open */
	sigset_t old;	/* the mask before */
};

#define SIGS_INIT { .fd = -1 }
#define CLEANUP_SIGS __attribute__((cleanup(sigs_close)))

/* From now on SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH and SIGCONT are read
 * from the fd, also when they were ignored, but for SIGHUP (nohup).
 * Return: 0, or -1 with @err. */
int sigs_open(struct sigs *s, struct err *err);
/* The same without SIGWINCH and SIGCONT: whatever comes ends the command. */
int sigs_open_ending(struct sigs *s, struct err *err);
/* Return: the next signal's number, 0 when there is none. */
int sigs_read(struct sigs *s);
void sigs_close(struct sigs *s);

#endif
