/* SPDX-License-Identifier: MIT */
/*
 * runner/sbop.h - a request that needs a running sandbox
 *
 * Finds the sandbox of the parameter "sandbox", starts it if it is stopped, and
 * calls run().  run() answers at once (sbop_done(), sbop_fail()) or starts one
 * thing at a time in `agent` or `call` and answers from its callback.  A client
 * that goes away cancels what is in flight.
 */
#ifndef PODFLARE_RUNNER_SBOP_H
#define PODFLARE_RUNNER_SBOP_H

#include "runner/agent-json.h"
#include "runner/agent.h"
#include "runner/life.h"
#include "runner/request.h"

struct sbop {
	struct request *rq;
	struct sandbox *sb;
	struct sandbox_wait wait;
	bool waiting;
	struct agent_op *agent;
	struct vmctl_call *call;
	void (*run)(struct sbop *op);
};

void sbop_start(struct request *rq, void (*run)(struct sbop *op));
/* Answer and free. The error gets the sandbox's name as context. */
void sbop_done(struct sbop *op, json_t *result);
void sbop_fail(struct sbop *op, const struct err *err);
void sbop_done_fd(struct sbop *op, int fd);

/* Send the request frame and answer with the stream. @payload is emptied. */
void sbop_stream(struct sbop *op, uint8_t type, struct buf *payload);
/* Send the request frame and call @cb (its arg is @op) with the reply; the
 * callback is to set op->agent to NULL. */
void sbop_call(struct sbop *op, uint8_t type, struct buf *payload,
	       agent_reply_cb cb);

#endif
