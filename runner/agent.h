/* SPDX-License-Identifier: MIT */
/*
 * runner/agent.h - the host's side of the agent protocol (common/agent.h)
 *
 * Three ways to use it: agent_open() connects, sends the request and gives back
 * the stream, for the client to go on with; agent_call() also reads the single
 * reply; agent_hold() does that in two steps and gives back the stream, which
 * means something as long as it is open.  Nothing the guest does can hold up the
 * loop.
 */
#ifndef PODFLARE_RUNNER_AGENT_H
#define PODFLARE_RUNNER_AGENT_H

#include "common/buf.h"
#include "runner/vmctl.h"

struct agent_op;

/* @err NULL: the stream, blocking, the caller's. */
typedef void (*agent_open_cb)(void *arg, const struct err *err, int fd);
/* @err NULL: the guest answered OK with these values (tlv.h), valid during the
 * call. Its ERROR is an @err with the guest's own code. */
typedef void (*agent_reply_cb)(void *arg, const struct err *err,
			       const uint8_t *values, size_t len);

/* As agent_reply_cb; @fd: the stream, the caller's, -1 with @err. */
typedef void (*agent_hold_cb)(void *arg, const struct err *err,
			      const uint8_t *values, size_t len, int fd);

/* @type enum agent_frame; @payload is emptied. @timeout_ms for all of it.
 * Return: NULL with @err, then the callback is not called. */
struct agent_op *agent_open(struct loop *l, struct vmctl *vm, uint8_t type,
			    struct buf *payload, unsigned int timeout_ms,
			    agent_open_cb cb, void *arg, struct err *err);
struct agent_op *agent_call(struct loop *l, struct vmctl *vm, uint8_t type,
			    struct buf *payload, unsigned int timeout_ms,
			    agent_reply_cb cb, void *arg, struct err *err);
/* Connect, and send the request (without values) when agent_go() is called. An
 * error may come before. */
struct agent_op *agent_hold(struct loop *l, struct vmctl *vm, uint8_t type,
			    unsigned int timeout_ms, agent_hold_cb cb,
			    void *arg, struct err *err);
void agent_go(struct agent_op *op);
/* Give up; the callback is not called. */
void agent_cancel(struct agent_op *op);

#endif
