/* SPDX-License-Identifier: MIT */
/*
 * cli/machine-client.h - the emulated machine's supervisor, as a client
 *
 * Its socket takes a line that says what is wanted ("runner", "shell", "status",
 * "space", "stop", "kill") and answers with a line "ok" or "error CODE MESSAGE\x1fHINT";
 * then the stream begins.
 */
#ifndef PODFLARE_CLI_MACHINE_CLIENT_H
#define PODFLARE_CLI_MACHINE_CLIENT_H

#include "cli/cmd.h"

struct machine_start {
	const struct globals *globals;
	bool start;		/* when it is not running */
	bool announce;		/* say that it is slow, and why */
	bool icount;
	uint64_t memory;	/* 0: PODFLARE_MACHINE_MEMORY, else by the
				 * host's size */
};

/* Connect to the supervisor, take up or start the machine, ask for @kind. One
 * that is being stopped is waited for, and started anew.
 * Return: the stream behind the answer, -1 with @err (ERR_UNAVAILABLE when the
 * machine is not running and is not to be started). */
int machine_open(const char *kind, const struct machine_start *how,
		 struct err *err);
/* The same without waiting for the answer. */
int machine_request(const char *kind, const struct machine_start *how,
		    struct err *err);
/* Wait for it. @timeout_ms: -1 for ever. Return: 0, or -1 with @err. */
int machine_answer(int fd, int timeout_ms, struct err *err);
/* Wait until no supervisor is left. Return: 0, or -1 (ERR_TIMEOUT). */
int machine_await_end(int timeout_ms, struct err *err);

#endif
