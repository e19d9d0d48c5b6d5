/* SPDX-License-Identifier: MIT */
/*
 * runner/agent.h - the host's side of the agent protocol (common/agent.h)
 *
 * Two ways to use it: agent_open() connects, sends the request and gives back
 * the stream, for the client to go on with; agent_call() also reads the single
 * reply.  Nothing the guest does can hold up the loop.
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

/* @type enum agent_frame; @payload is emptied. @timeout_ms for all of it.
 * Return: NULL with @err, then the callback is not called. */
struct agent_op *agent_open(struct loop *l, struct vmctl *vm, uint8_t type,
			    struct buf *payload, unsigned int timeout_ms,
			    agent_open_cb cb, void *arg, struct err *err);
struct agent_op *agent_call(struct loop *l, struct vmctl *vm, uint8_t type,
			    struct buf *payload, unsigned int timeout_ms,
			    agent_reply_cb cb, void *arg, struct err *err);
/* Give up; the callback is not called. */
void agent_cancel(struct agent_op *op);

#endif
