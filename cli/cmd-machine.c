/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-machine.c - podflare machine start, stop, status
 *
 * Runs in the CLI.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmds.h"
#include "cli/machine-client.h"
#include "cli/machine-shell.h"
#include "cli/machine-status.h"
#include "cli/output.h"
#include "common/cleanup.h"

#define STOP_MS (5 * 60 * 1000)	/* sandboxes are synced and stopped first */
#define OFF_MS 30000		/* then the machine is off at once */

struct start_opts {
	bool icount;
	uint64_t memory;
};

static const struct opt start_options[] = {
	{ OPT_SIZE, 0, "memory", "SIZE", "its memory (default: a quarter of "
	  "the host's, 2G to 6G)", offsetof(struct start_opts, memory) },
	{ OPT_FLAG, 0, "icount", NULL, "count instructions as time, for "
	  "benchmarks", offsetof(struct start_opts, icount) },
	OPT_TABLE_END,
};

struct stop_opts {
	bool force;
	uint64_t timeout_ms;
};

static const struct opt stop_options[] = {
	{ OPT_FLAG, 0, "force", NULL, "end it at once, as a power cut would",
	  offsetof(struct stop_opts, force) },
	{ OPT_TIME, 0, "timeout", "TIME", "how long sandboxes may take to stop "
	  "(default: 5m)", offsetof(struct stop_opts, timeout_ms) },
	OPT_TABLE_END,
};

/* What was asked for and what runs may differ: that is no success. */
static int check_started(const struct start_opts *o,
			 const struct machine_status *st, struct err *err)
{
	if (o->icount == st->icount && (!o->memory || o->memory == st->memory))
		return 0;
	err_set(err, ERR_STATE, "the emulated machine is running already, with "
		"other options");
	return err_hint(err, "podflare machine stop");
}

static int run_start(struct cmd_ctx *ctx, struct err *err)
{
	const struct start_opts *o = ctx->opts;
	struct machine_start how = { .globals = ctx->globals, .start = true,
				     .icount = o->icount,
				     .memory = o->memory };
	struct machine_status st;

	if (machine_status_get(&st, &how, err) < 0)
		return -1;
	if (!strcmp(st.state, "stopping") &&
	    (machine_await_end(STOP_MS, err) < 0 ||
	     machine_status_get(&st, &how, err) < 0))
		return -1;
	if (check_started(o, &st, err) < 0)
		return -1;
	if (ctx->globals->json)
		machine_status_json(&st);
	else
		output_note(ctx->globals, "the emulated machine is running "
			    "(pid %d)", (int)st.pid);
	return 0;
}

static int run_status(struct cmd_ctx *ctx, struct err *err)
{
	struct machine_start how = { .globals = ctx->globals };
	struct machine_status st;

	if (machine_status_get(&st, &how, err) < 0) {
		if (err && err->code != ERR_UNAVAILABLE)
			return -1;
		st = (struct machine_status){ .state = "stopped" };
	} else {
		machine_status_sandboxes(&st, ctx->globals);
	}
	if (ctx->globals->json)
		machine_status_json(&st);
	else
		machine_status_print(&st);
	return 0;
}

static int give_up(struct err *err)
{
	if (err && err->code == ERR_TIMEOUT)
		err_hint(err, "podflare machine stop --force, which ends it as "
			 "a power cut would");
	return -1;
}

static int run_stop(struct cmd_ctx *ctx, struct err *err)
{
	const struct stop_opts *o = ctx->opts;
	struct machine_start how = { .globals = ctx->globals };
	uint64_t ms = o->timeout_ms ? MIN(o->timeout_ms, 86400000) : STOP_MS;
	CLEANUP_FD int fd = -1;
	struct err why = ERR_INIT;

	fd = machine_request(o->force ? "kill" : "stop", &how, &why);
	if (fd < 0 && why.code == ERR_UNAVAILABLE) {
		output_note(ctx->globals, "the emulated machine is not "
			    "running");
		return 0;
	}
	if (fd < 0) {
		*err = why;
		return -1;
	}
	if (machine_answer(fd, (int)ms, err) < 0)
		return give_up(err);
	close(steal_fd(&fd));	/* it powers off when the answer has come */
	return machine_await_end(OFF_MS, err) < 0 ? give_up(err) : 0;
}

static const struct cmd machine_start = {
	.name = "start",
	.summary = "Start the emulated machine, if it is not running",
	.operands = "",
	.opts = start_options,
	.opts_size = sizeof(struct start_opts),
	.run = run_start,
};

static const struct cmd machine_stop = {
	.name = "stop",
	.summary = "Stop all sandboxes in the machine, and the machine",
	.operands = "",
	.opts = stop_options,
	.opts_size = sizeof(struct stop_opts),
	.run = run_stop,
};

static const struct cmd machine_status = {
	.name = "status",
	.summary = "Tell whether the machine runs, and how",
	.operands = "",
	.run = run_status,
};

static const struct cmd *const subs[] = {
	&machine_start, &machine_stop, &machine_status, &machine_shell, NULL,
};

const struct cmd cmd_machine = {
	.name = "machine",
	.summary = "The emulated machine, for hosts without virtualization",
	.operands = "",
	.subs = subs,
};
