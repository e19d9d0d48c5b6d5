/* SPDX-License-Identifier: MIT */
/*
 * cli/session.h - a running command: its stream joined to our stdin, stdout,
 * stderr, signals and terminal
 */
#ifndef PODFLARE_CLI_SESSION_H
#define PODFLARE_CLI_SESSION_H

#include "cli/client.h"
#include "cli/sigs.h"

struct displays;

struct session_opts {
	bool tty;		/* our terminal, if stdin is one, goes raw */
	bool stdin_open;	/* forward stdin */
	bool detach;		/* return as soon as it has started */
	struct buf *first;	/* frames to be sent before all else, or NULL */
	struct displays *displays;	/* takes DISPLAY; NULL: dropped */
	struct buf *capture;	/* of stdout and stderr, in place of ours; or
				 * NULL. More than they take is an error. */
	struct sigs *sigs;	/* open */
};

/* What became of it. */
struct session_end {
	uint32_t session;	/* its id in the sandbox */
	uint32_t fresh;		/* AGENT_T_FRESH */
	uint32_t why;		/* enum agent_why */
	int code;		/* our exit code for it */
};

/*
 * Carry one EXEC or ATTACH stream to its end, or until we were told to stop:
 * then the stream is closed, which ends the command.
 * Return: 0 with @end, or -1 with @err (ERR_GUEST, ERR_PROTOCOL, ...).
 */
int session_run(struct stream *s, const struct session_opts *o,
		struct session_end *end, struct err *err);

#endif
