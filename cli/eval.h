/* SPDX-License-Identifier: MIT */
/* cli/eval.h - run code in a sandbox's interpreters */
#ifndef PODFLARE_CLI_EVAL_H
#define PODFLARE_CLI_EVAL_H

#include "cli/client.h"
#include "cli/display.h"
#include "cli/session.h"

struct eval_call {
	const char *sandbox;
	const char *lang;	/* "python" */
	const char *name;	/* what messages call the code; NULL: a number */
	const struct buf *code;
	const struct opt_list *env;	/* NULL: none */
	uint64_t timeout_ms;	/* 0: none */
	bool stdin_open;	/* forward stdin from the start */
	bool ask;		/* ... when it is read */
	bool restart;
	struct buf *capture;	/* session.h */
	struct displays *displays;	/* session.h */
};

/* The code: of @file ("-" or NULL: standard input), 16 MiB at most.
 * Return: 0, or -1 with @err. */
int eval_read(const char *file, struct buf *code, struct err *err);
/*
 * code.run over @c, to its end; says on stderr what else the user should know.
 * Return: the exit code, or -1 with @err.
 */
int eval_run(struct client *c, const struct eval_call *call, struct sigs *sigs,
	     struct session_end *end, struct err *err);
/* A fresh shell for code, as exec.start has it. Return: as eval_run(). */
int eval_shell(struct client *c, const struct eval_call *call,
	       struct sigs *sigs, struct session_end *end, struct err *err);
/* The result of --json. @capture as of session.h */
void eval_print(const struct buf *capture, const struct displays *d,
		const struct session_end *end, int code);

#endif
