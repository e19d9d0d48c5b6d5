/* SPDX-License-Identifier: MIT */
/* cli/exec.h - what exec, run and shell have in common */
#ifndef PODFLARE_CLI_EXEC_H
#define PODFLARE_CLI_EXEC_H

#include "cli/client.h"
#include "cli/session.h"

/* Options of exec and run; their tables end up in both usages. */
struct exec_opts {
	bool stdin_open;
	bool tty;
	const char *cwd;
	const char *user;
	uint64_t timeout_ms;
};

extern const struct opt exec_options[];

struct exec_call {
	const char *sandbox;
	const struct exec_opts *opts;
	const struct opt_list *env;	/* NULL: none */
	char *const *argv;
	int argc;
	bool keep;
	struct buf *capture;	/* session.h; NULL: none */
};

/* Add "K=V", or "K" with its value in our environment, to an object.
 * Return: 0, or -1 with @err (ERR_USAGE). */
int env_add(json_t *env, const char *text, struct err *err);
/* A whole -e list. Return: a new object, NULL with @err. */
json_t *env_object(const struct opt_list *list, struct err *err);

/*
 * exec.start over @c and the session to its end; says on stderr what else the
 * user should know (out of memory, timed out, ...).
 * Return: the exit code, or -1 with @err.
 */
int exec_run(struct client *c, const struct exec_call *call, struct sigs *sigs,
	     struct session_end *end, struct err *err);

#endif
