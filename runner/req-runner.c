/* SPDX-License-Identifier: MIT */
/*
 * runner/req-runner.c - runner.*
 *
 * podflared, loop thread.
 */
#include <unistd.h>

#include "common/jsonrpc.h"
#include "common/log.h"
#include "runner/kvm.h"
#include "runner/life.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/pool.h"
#include "runner/store.h"

void method_runner_hello(struct request *rq)
{
	int64_t protocol = param_int(rq->params, "protocol", 0);
	struct err err = ERR_INIT;

	if (protocol != JSONRPC_PROTOCOL) {
		err_set(&err, ERR_VERSION,
			"runner %s speaks protocol %d, the client %.32s "
			"protocol %lld", PACKAGE_VERSION, JSONRPC_PROTOCOL,
			param_str(rq->params, "version", ""),
			(long long)protocol);
		err_hint(&err, "end the old runner (kill %d), sandboxes go on; "
			 "the next command starts a new one", (int)getpid());
		request_fail(rq, &err, NULL);
		return;
	}
	if (settings_check(&rq->runner->settings))
		pool_adjust(rq->runner);
	if (rq->peer)
		rq->peer->hello = true;
	request_done(rq, json_pack("{s:i, s:s, s:i}", "protocol",
				   JSONRPC_PROTOCOL, "version",
				   PACKAGE_VERSION, "pid", (int)getpid()));
}

void method_runner_info(struct request *rq)
{
	struct runner *r = rq->runner;
	struct err err = ERR_INIT;
	struct sandbox *sb;
	int n = 0, fd = kvm_open(&err);

	if (fd >= 0)
		close(fd);
	TAILQ_FOREACH(sb, &r->sandboxes, link)
		n += sandbox_is_shown(sb);
	request_done(rq, json_pack(
		"{s:s, s:i, s:I, s:i, s:s, s:{s:b, s:s, s:s}, s:{s:b, s:s, s:s}}",
		"version", PACKAGE_VERSION, "pid", (int)getpid(), "uptime_ms",
		(json_int_t)((now_ns() - r->started_ns) / 1000000),
		"sandboxes", n, "data_dir", r->places.data, "kvm", "ok",
		fd >= 0, "message", err.msg, "hint", err.hint, "config", "ok",
		!r->settings.err.code, "message", r->settings.err.msg, "hint",
		r->settings.err.hint));
}

void method_runner_stop(struct request *rq)
{
	struct runner *r = rq->runner;

	log_info("asked to end; sandboxes go on");
	request_done(rq, NULL);
	r->ending = true;
	loop_stop(&r->loop);	/* the reply is sent on the way out */
}

/* Waits until every sandbox has stopped, but not for ever: whoever asked may be
 * about to cut the power. */
struct shutdown {
	struct request *rq;	/* NULL: it is answered */
	struct runner *runner;
	unsigned int left;
	struct work_job synced;
	struct loop_timer deadline;
};

/* On top of what a guest has to power off: its VMM's quit and kill. */
#define SHUTDOWN_MORE_MS 30000

static void shutdown_run(struct work_job *j)
{
}

/* After every save before it in the lane: all states are on disk. */
static void shutdown_done(struct work_job *j)
{
	struct shutdown *s = container_of(j, struct shutdown, synced);
	struct runner *r = s->runner;

	loop_timer_cancel(&r->loop, &s->deadline);
	if (s->rq)
		request_done(s->rq, NULL);
	free(s);
	loop_stop(&r->loop);
}

static void log_left(const struct sandbox *sb)
{
	if (sb->vm || sb->state == SB_REMOVING)
		log_error("sandbox %s (%s): %s still, in the middle of "
			  "something that does not end", sb->id, sb->name,
			  sandbox_state_name(sb->state));
}

static void shutdown_late(struct loop_timer *t)
{
	struct shutdown *s = container_of(t, struct shutdown, deadline);
	struct runner *r = s->runner;
	struct sandbox *sb;

	log_error("shutting down takes too long: ending without");
	TAILQ_FOREACH(sb, &r->sandboxes, link)
		log_left(sb);
	TAILQ_FOREACH(sb, &r->hidden, link)
		log_left(sb);
	request_done(s->rq, NULL);
	s->rq = NULL;
	r->stuck = true;
	loop_stop(&r->loop);
}

static void one_stopped(void *arg, const struct err *err)
{
	struct shutdown *s = arg;

	if (--s->left)
		return;
	s->synced.run = shutdown_run;
	s->synced.done = shutdown_done;
	work_submit(&s->runner->work, WORK_META, &s->synced);
}

static void stop_one(struct shutdown *s, struct sandbox *sb)
{
	if (sb->kind == SB_SNAPSHOT && sb->state == SB_FROZEN)
		return;
	s->left++;
	/* what is not ready yet is not there */
	if (sb->state == SB_CREATING ||
	    (sb->kind != SB_SANDBOX && sb->state != SB_HELD &&
	     sb->state != SB_FROZEN))
		life_remove(sb, false, one_stopped, s);
	else
		life_stop(sb, one_stopped, s);
}

/* Whoever is stopped or removed may take others along, so that there is no next
 * one to go on with: look again for one that was not told. */
static void stop_all(struct shutdown *s, struct sandbox_list *list)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, list, link)
		sb->marked = false;
	do {
		TAILQ_FOREACH(sb, list, link)
			if (!sb->marked)
				break;
		if (sb) {
			sb->marked = true;
			stop_one(s, sb);
		}
	} while (sb);
}

void method_runner_shutdown(struct request *rq)
{
	struct runner *r = rq->runner;
	struct shutdown *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;

	if (!s || r->ending) {
		err_set(&err, s ? ERR_STATE : ERR_NO_MEMORY,
			"the runner is ending");
		free(s);
		request_fail(rq, &err, NULL);
		return;
	}
	log_info("shutting down: every sandbox is stopped");
	r->ending = true;
	s->rq = rq;
	s->runner = r;
	s->left = 1;
	s->deadline.cb = shutdown_late;
	loop_timer_set(&r->loop, &s->deadline,
		       2 * r->agent_timeout_ms + SHUTDOWN_MORE_MS);
	stop_all(s, &r->sandboxes);
	stop_all(s, &r->hidden);
	stop_all(s, &r->snapshots);
	one_stopped(s, NULL);
}
