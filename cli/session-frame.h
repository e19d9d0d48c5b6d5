/* SPDX-License-Identifier: MIT */
/* cli/session-frame.h - what the agent's answers say, checked */
#ifndef PODFLARE_CLI_SESSION_FRAME_H
#define PODFLARE_CLI_SESSION_FRAME_H

#include "common/err.h"
#include "common/frame.h"

/* STARTED. Return: 0 with the session's id (0: none) and what became of the
 * interpreter (AGENT_T_FRESH), -1 when it is malformed. */
int frame_started(const struct frame *f, uint32_t *session, uint32_t *fresh);
/* EXIT. @param code exit code as a shell would have it; 124 timed out
 * @param why enum agent_why bits. Return: 0, -1 when it is malformed. */
int frame_exit(const struct frame *f, int *code, uint32_t *why);
/* ERROR. Return: -1 with @err set from it, always. */
int frame_error(const struct frame *f, struct err *err);
/* The same of a stream that is not the guest's: the message as it is. */
int frame_error_plain(const struct frame *f, struct err *err);

#endif
