/* SPDX-License-Identifier: MIT */
/* tests/unit/agent-code.h - CODE: calls of the guest's interpreters */
#ifndef PODFLARE_TESTS_AGENT_CODE_H
#define PODFLARE_TESTS_AGENT_CODE_H

#include "tests/unit/agent-rig.h"

struct code {
	const char *text;
	size_t len;		/* 0: strlen(text) */
	const char *lang;	/* NULL: "python" */
	const char *name;
	const char *env, *call_env;	/* "K=V" or NULL */
	uint32_t flags, timeout_ms;
};

/* CODE that is not waited for. Return: the stream. */
int code_send(struct rig *r, const struct code *c);
/* ... and its answer; @fresh may be NULL: FRESH of STARTED, 0 without. */
void code_collect(int fd, struct reply *reply, uint32_t *fresh);
/* Run it to its end. */
void code_run(struct rig *r, const struct code *c, struct reply *reply,
	      uint32_t *fresh);
/* Python that must end like that, and have put out just that. */
void code_gives(struct rig *r, const char *text, const char *out,
		const char *err, uint32_t status);
/* Until a line of it has come on stdout. */
void code_wait_out(int fd, struct frame_reader *in, const char *text);
/* Until WINDOW has come. */
void code_wait_window(int fd, struct frame_reader *in);

#endif
