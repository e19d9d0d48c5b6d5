/* SPDX-License-Identifier: MIT */
/*
 * cli/progress.h - what is going on, on stderr
 *
 * Nothing is shown when quiet or when all is done within a second.  On a
 * terminal one line is rewritten; elsewhere a line is written per step.
 */
#ifndef PODFLARE_CLI_PROGRESS_H
#define PODFLARE_CLI_PROGRESS_H

#include "cli/cmd.h"

struct progress {
	bool off;
	bool tty;
	bool drawn;		/* a line stands on the terminal */
	uint64_t start_ns;	/* of all of it */
	uint64_t step_ns;	/* of this step */
	uint64_t next_ns;	/* when to draw again */
	int percent;		/* -1: not known */
	uint64_t done, total;	/* bytes; total 0: not known */
	char text[128];
	char shown[128];	/* the last text that was written */
};

void progress_start(struct progress *p, const struct globals *g);
/* A new step or a new percentage (-1: not known). */
void progress_step(struct progress *p, const char *text, int percent);
/* Bytes so far (@total 0: not known) of the step named @text. */
void progress_bytes(struct progress *p, const char *text, uint64_t done,
		    uint64_t total);
/* Milliseconds until progress_tick() wants to be called, -1: never. */
int progress_timeout(const struct progress *p);
void progress_tick(struct progress *p);
/* Clear the line. Call before anything else is printed. */
void progress_end(struct progress *p);

#endif
