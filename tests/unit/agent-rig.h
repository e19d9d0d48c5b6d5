/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/agent-rig.h - the guest's agent as an ordinary process, and a host
 * that talks to it
 *
 * The agent's own sources run in a forked child, which takes streams over a
 * control socket; what touches the machine is only noted down.  It ends with
 * the rig, and has to end cleanly (a leak is a failure with sanitizers).
 */
#ifndef PODFLARE_TESTS_AGENT_RIG_H
#define PODFLARE_TESTS_AGENT_RIG_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/agent.h"
#include "common/frame.h"
#include "common/tlv.h"

/* What the agent did to its machine; shared memory. */
struct rig_seen {
	uint32_t entropy;	/* bytes */
	uint64_t realtime;
	char hostname[65];
	volatile uint32_t poweroffs;
	uint32_t renewals;	/* of the identity */
};

struct rig {
	pid_t pid;
	int control;
	struct rig_seen *seen;
	char dir[64];		/* a folder for the test's files */
	char etc[80];		/* passwd and group of the agent */
	char cgroup[256];	/* "" where there are none */
	char root[80];		/* of the agent; not made */
	char upper[80], lower[80];	/* its halves */
	char mountinfo[80];	/* what is mounted there, empty at first */
};

struct reply {
	struct buf out, err, data;
	struct buf values;	/* of OK, EXIT or ERROR */
	uint8_t type;		/* of the last frame; 0: the stream ended */
	uint32_t status, signaled, why;
	uint32_t session, pid;
	uint32_t code, sys;
	char message[1024];
};

/* cmocka's setup and teardown; *state is the rig, which was greeted. */
int rig_setup(void **state);
int rig_setup_ungreeted(void **state);
int rig_teardown(void **state);

/* Return: a new stream to the agent. */
int rig_open(struct rig *r);
void rig_send(int fd, uint8_t type, const void *data, size_t len);
/* One frame within 20 s. Return: false at the end of the stream. */
bool rig_next(int fd, struct frame_reader *in, struct frame *f);
/* Everything up to OK, EXIT, ERROR, END or the end of the stream.
 * @param in may be NULL: a reader of its own */
void rig_collect(int fd, struct frame_reader *in, struct reply *reply);
void reply_free(struct reply *reply);

/* A request with its answer, on a stream of its own. */
void rig_ask(struct rig *r, uint8_t type, const struct buf *values,
	     struct reply *reply);
/* Put the arguments of `sh -c script` into a request. */
void rig_script(struct buf *values, const char *script);
/* EXEC of a script, without more ado. */
void rig_sh(struct rig *r, const char *script, struct reply *reply);
/* EXEC that is not waited for. @param flags AGENT_EXEC_* Return: the stream. */
int rig_start_sh(struct rig *r, const char *script, uint32_t flags);
/* The host ends the stream, whatever it has not read; @fd is still to be closed,
 * when the agent has noticed. */
void rig_hang_up(int fd);
/* The stream ends as all do in a copy of the guest: ECONNRESET. Closes @fd. */
void rig_reset(int fd);

/* Run a command of the host. Return: its exit status. */
int rig_host(const char *fmt, ...) PRINTF(1, 2);
/* Within 10 s. Return: whether the file came (or went, with @there false). */
bool rig_wait_file(const char *path, bool there);
/* "rig->dir/name". Return: static text. */
const char *rig_path(const struct rig *r, const char *name);
uint64_t rig_now_ms(void);

#endif
